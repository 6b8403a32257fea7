"""A new repository: whole, with hooks, and its owner's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from reconciler.host.effects import Host
from reconciler.host.settings import Settings, defaults, shipped
from reconciler.repository import create as create_module
from reconciler.repository.create import HOOKS, RECEIVE, NotCreated, create
from reconciler.repository.repo import Repository
from tests.unit.other_users import NOBODY
from tests.unit.repositories import git

FILE = Path("/etc/reconciler.toml")
KEY = "age1tsweermue2rqr2kah5n28gvmwcfpaw7jsefqnqv86g4kd9zr7elskxqc2k"


def read(path: Path, branch: str = "main") -> dict[str, str]:
    """The files of the branch."""
    repository = Repository(path, branch, Host())
    tip = repository.tip()
    assert tip
    return {name: file.read().decode() for name, file in repository.read(tip).items()}


def test_the_starter_state_gets_this_hosts_name_and_key(tmp_path: Path) -> None:
    path = tmp_path / "r.git"
    settings = Settings(host="mail.example.net", branch="prod/mail", socket=Path("/run/x y.sock"))
    revision = create(path, settings, settings_file=FILE, recipient=KEY)
    files = read(path, "prod/mail")
    assert "\nhostname: mail.example.net\n" in files["mail.yaml"]
    assert files["secrets/recipients"].endswith(f"\n# mail.example.net\n{KEY}\n")
    assert git(path, "rev-parse", "HEAD") == revision.oid
    recorded = {name: git(path, "config", f"reconciler.{name}") for name in ("settings", "socket", "branch")}
    assert recorded == {"settings": str(FILE), "socket": "/run/x y.sock", "branch": "prod/mail"}
    assert {name: git(path, "config", name) for name in RECEIVE} == RECEIVE
    assert {name: (path / "hooks" / name).stat().st_mode & 0o777 for name in HOOKS} == HOOKS
    assert git(path, "fsck", "--strict") == ""


def test_a_node_name_that_is_not_qualified_is_no_hostname(tmp_path: Path) -> None:
    create(tmp_path / "r.git", Settings(host="mx1"), settings_file=FILE, recipient=KEY)
    assert "\n# hostname: mx1.example.com\n" in read(tmp_path / "r.git")["mail.yaml"]


def test_a_folder_is_taken_as_it_is_with_its_exec_bits(tmp_path: Path) -> None:
    source = tmp_path / "from"
    (source / "tables").mkdir(parents=True)
    (source / ".git").mkdir()
    (source / ".git/config").write_text("x")
    (source / "mail.yaml").write_text("hostname: mx1.example.com\n")
    (source / "tables/virtual").write_text("a b\n")
    (source / "check").write_text("#!/bin/sh\n")
    (source / "check").chmod(0o755)
    path = tmp_path / "r.git"
    path.mkdir()  # an empty folder is fine
    create(path, Settings(host="mx9.example.com"), settings_file=FILE, recipient=KEY, source=source)
    assert read(path) == {
        "mail.yaml": "hostname: mx1.example.com\n", "tables/virtual": "a b\n", "check": "#!/bin/sh\n",
    }  # fmt: skip
    assert git(path, "ls-tree", "main", "check").startswith("100755")


@pytest.mark.parametrize(("sites", "is_packed"), [(10, False), (60, True)])
def test_many_files_are_one_pack(tmp_path: Path, sites: int, *, is_packed: bool) -> None:
    source, path = tmp_path / "from", tmp_path / "r.git"
    files = {f"sites/site{number}/site.yaml": f"domains: [d{number}.test]\n" for number in range(sites)}
    for name, text in files.items():
        (source / name).parent.mkdir(parents=True)
        (source / name).write_text(text)
    create(path, Settings(host="mx9.example.com"), settings_file=FILE, recipient=KEY, source=source)
    assert read(path) == files
    assert bool([*(path / "objects/pack").glob("*.pack")]) is is_packed
    assert bool([*(path / "objects").glob("??/*")]) is not is_packed
    assert git(path, "fsck", "--strict") == ""


def test_what_is_there_already_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.git"
    path.mkdir()
    (path / "precious").touch()
    with pytest.raises(NotCreated, match=f"{path}: already exists"):
        create(path, Settings(), settings_file=FILE, recipient=KEY)
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.git"]
    assert (path / "precious").exists()


def test_one_more_instance_gets_a_branch_of_the_repository(tmp_path: Path) -> None:
    path, file = tmp_path / "r.git", Path("/etc/reconciler/out.toml")
    first = create(path, Settings(host="mx1"), settings_file=FILE, recipient=KEY)
    (path / "hooks/pre-receive").write_text("# reconciler's, of an earlier version\n")
    source = tmp_path / "from"
    source.mkdir()
    (source / "mail.yaml").write_text("base: none\n")
    create(path, defaults(file), settings_file=file, recipient=KEY, source=source)
    assert read(path, "out") == {"mail.yaml": "base: none\n"}
    assert git(path, "rev-parse", "main", "HEAD").split() == [first.oid, first.oid]
    assert git(path, "rev-list", "--count", "out") == "1"
    assert git(path, "config", "reconciler.out.socket") == "/run/reconciler-out/control.sock"
    assert git(path, "config", "reconciler.socket") == "/run/reconciler/control.sock"
    assert "def consents" in (path / "hooks/pre-receive").read_text()
    assert git(path, "fsck", "--strict") == ""
    with pytest.raises(NotCreated, match="already exists, and has a branch out"):
        create(path, defaults(file), settings_file=file, recipient=KEY, source=source)


def test_hooks_of_another_program_stay_as_they_are(tmp_path: Path) -> None:
    path, hook = tmp_path / "r.git", tmp_path / "r.git/hooks/pre-receive"
    create(path, Settings(host="mx1"), settings_file=FILE, recipient=KEY)
    hook.write_text("#!/bin/sh\nexec gitolite\n")
    with pytest.raises(NotCreated, match="pre-receive: is not reconciler's; move it away"):
        create(path, Settings(host="mx1", branch="out"), settings_file=FILE, recipient=KEY)
    assert hook.read_text() == "#!/bin/sh\nexec gitolite\n"
    assert git(path, "branch", "--list", "out") == ""


def test_a_branch_belongs_to_the_owner_of_the_repository_who_can_not_reach_reconcilers_files(
    open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert os.geteuid() == 0, "needs root, to make the repository of another user"
    shutil.copytree(shipped("hooks").resolve(), tmp_path / "closed" / "hooks")
    shutil.copytree(shipped("desired-state").resolve(), tmp_path / "closed" / "desired-state")
    (tmp_path / "closed").chmod(0o700)
    monkeypatch.setattr(create_module, "shipped", lambda name: tmp_path / "closed" / name)
    path = open_folder / "home" / "r.git"
    path.parent.mkdir()
    os.chown(path.parent, NOBODY, NOBODY)
    create(path, Settings(host="mx1"), settings_file=FILE, recipient=KEY)
    create(path, Settings(host="mx1", branch="out"), settings_file=FILE, recipient=KEY)
    assert {one.stat().st_uid for one in path.rglob("*")} == {NOBODY}


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    source = tmp_path / "from"
    source.mkdir()
    (source / "link").symlink_to("/etc/passwd")
    with pytest.raises(NotCreated, match="is neither a file nor a folder"):
        create(tmp_path / "r.git", Settings(), settings_file=FILE, recipient=KEY, source=source)
    with pytest.raises(NotCreated, match="No such file or directory"):
        create(tmp_path / "r.git", Settings(), settings_file=FILE, recipient=KEY, source=tmp_path / "none")
    assert [entry.name for entry in tmp_path.iterdir()] == ["from"]


def test_it_belongs_to_whom_its_parent_folder_belongs_to(open_folder: Path) -> None:
    assert os.geteuid() == 0, "needs root, to make the repository of another user"
    home = open_folder / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    path = home / "r.git"
    create(path, Settings(), settings_file=FILE, recipient=KEY)
    assert {
        Path(folder, name).lstat().st_uid for folder, _, names in os.walk(path) for name in (".", *names)
    } == {NOBODY}  # fmt: skip


def test_the_owner_of_the_parent_folder_leads_root_nowhere(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert os.geteuid() == 0, "needs root, to make the repository of another user"
    (home := open_folder / "home").mkdir()
    os.chown(home, NOBODY, NOBODY)
    (victims := open_folder / "victims").mkdir()
    make = create_module._make

    def replaced(beside: Path, *others: object) -> object:
        beside.rename(home / "away")
        beside.symlink_to(victims)
        return make(beside, *others)  # type: ignore[arg-type] # as it was called

    monkeypatch.setattr(create_module, "_make", replaced)
    with pytest.raises(NotCreated):
        create(home / "r.git", Settings(), settings_file=FILE, recipient=KEY)
    assert list(victims.iterdir()) == []
    assert (victims.stat().st_uid, os.geteuid(), os.getegid()) == (0, 0, 0)
