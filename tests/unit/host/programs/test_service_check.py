"""Many services are read in pieces: each once, at its own line; what main.cf sets is unused if no piece uses it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Completed, Host
from reconciler.host.programs import service_check
from reconciler.postfix.master_pieces import pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

SITE = "site{0}-out  unix  -  -  n  -  -  smtp\n    -o smtp_helo_name=$of_{0}\n    -o smtp_bind_address=10.0.0.1\n"


class Postconf(Host):
    """Says which settings of main.cf no service uses, and which services are named ``bad``, as postconf does."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Do what postconf does."""
        folder = Path(argv[2])
        main, master = ((folder / name).read_text() for name in ("main.cf", "master.cf"))
        said = [
            f"postconf: warning: {folder}/main.cf: unused parameter: {line}"
            for line in main.splitlines()
            if f"${line.partition('=')[0]}\n" not in master
        ]
        for number, line in enumerate(master.splitlines(), 1):
            if line.startswith("bad"):
                said.append(f"postconf: warning: {folder}/master.cf: line {number}: bad service")
        self.read.append(master)
        if "no setting" in main and argv[3] == "-n":
            return Completed(tuple(argv), 1, "", f"postconf: fatal: {folder}/main.cf, line 1: missing '='\n")
        return Completed(tuple(argv), 0, "", "".join(f"{one}\n" for one in said))


def files(count: int, main: str = "", more: str = "") -> dict[str, str]:
    return {"main.cf": main, "master.cf": "".join(SITE.format(number) for number in range(count)) + more}


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[object, None]:
    """Return what is kept between two checks; nothing in the beginning."""
    kept: dict[object, None] = {}
    monkeypatch.setattr(service_check, "_silent", kept)
    return kept


def test_few_services_are_read_where_they_are(tmp_path: Path) -> None:
    for name, text in files(3).items():
        (tmp_path / name).write_text(text)
    said = service_check.ask(Postconf(), tmp_path, files(3), ())
    assert [one.argv for one in said] == [("postconf", "-c", str(tmp_path), "-x")]


def test_where_the_first_program_ends_at_main_cf_the_other_is_asked_about_the_services() -> None:
    many = files(300, main="no setting\n", more="bad unix - - n - - smtp\n")
    of_main, of_master = service_check.ask(Postconf(), Path("/stage"), many, ())
    assert of_main.status
    assert of_main.stderr == "postconf: fatal: /stage/main.cf, line 1: missing '='\n"
    assert f"line {many['master.cf'].count(chr(10))}: bad service" in of_master.stderr


def test_a_complaint_about_a_service_is_at_its_line_of_the_file() -> None:
    many = files(300, more="bad unix - - n - - smtp\n")
    line = many["master.cf"].count("\n")
    for one in service_check.ask(Postconf(), Path("/stage"), many, ()):
        assert one.stderr == f"postconf: warning: /stage/master.cf: line {line}: bad service\n"


def test_a_setting_is_unused_only_if_no_piece_uses_it() -> None:
    many = files(300, main="of_7=a\nof_299=b\nof_300=c\n")
    for one in service_check.ask(Postconf(), Path("/stage"), many, ()):
        assert one.stderr == "postconf: warning: /stage/main.cf: unused parameter: of_300=c\n"


def test_what_nothing_was_said_of_is_not_asked_again() -> None:
    host, many = Postconf(), files(1000)
    service_check.ask(host, Path("/stage"), many, ())
    whole = len(host.read)
    assert whole == len(pieces("", many["master.cf"]))
    service_check.ask(host, Path("/stage"), many, ())
    assert len(host.read) == whole
    service_check.ask(host, Path("/stage"), files(1001), ())
    assert len(host.read) == whole + 1, "the piece of the new service"
    service_check.ask(host, Path("/stage"), many, ("another Postfix",))
    assert len(host.read) == 2 * whole + 1


def test_few_services_of_which_nothing_was_said_are_not_asked_again(tmp_path: Path) -> None:
    host, few = Postconf(), files(3)
    for name, text in few.items():
        (tmp_path / name).write_text(text)
    for _ in range(2):
        assert [one.stderr for one in service_check.ask(host, tmp_path, few, ())] == [""]
    assert len(host.read) == 1
    (tmp_path / "main.cf").write_text("a=b\n")
    for _ in range(2):
        assert "a=b" in service_check.ask(host, tmp_path, {**few, "main.cf": "a=b\n"}, ())[0].stderr
    assert len(host.read) == 3


@pytest.mark.parametrize("count", [3, 1000])
def test_it_is_asked_again_when_a_definition_of_a_table_changes(tmp_path: Path, count: int) -> None:
    maps = f"virtual_alias_maps=sqlite:$config_directory/a,ldap:{tmp_path}/sql/b"
    host, known = Postconf(), files(count, more=f"smtp inet n - n - - smtpd\n    -o {maps}\n")
    (tmp_path / "sql").mkdir()
    for name, text in {**known, "a": "", "sql/b": ""}.items():
        (tmp_path / name).write_text(text)

    def asks() -> bool:
        before = len(host.read)
        service_check.ask(host, tmp_path, known, ())
        return len(host.read) > before

    assert asks()
    assert not asks()
    for name in ("a", "sql/b"):
        (tmp_path / name).write_text("query = 1\n")
        assert asks(), name
        assert not asks()
    (tmp_path / "a").unlink()
    assert asks()
    assert not asks()


def test_a_definition_that_is_a_pipe_or_endless_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    host, odd = Postconf(), files(3, more=f"smtp inet n - n - - smtpd\n    -o a=ldap:{tmp_path}/pipe,mysql:/dev/zero\n")
    for name, text in odd.items():
        (tmp_path / name).write_text(text)
    service_check.ask(host, tmp_path, odd, ())
    assert len(host.read) == 1


def test_a_definition_whose_place_is_not_known_is_asked_of_each_time(tmp_path: Path) -> None:
    host, unknown = Postconf(), files(3, main="virtual_alias_maps=sqlite:$where/a\n", more="# $virtual_alias_maps\n")
    for name, text in unknown.items():
        (tmp_path / name).write_text(text)
    for _ in range(2):
        service_check.ask(host, tmp_path, unknown, ())
    assert len(host.read) == 2


def test_a_complaint_is_asked_again_and_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch, kept: dict[object, None]
) -> None:
    monkeypatch.setattr(service_check, "_MOST_KEPT", 4)
    host, many = Postconf(), files(300, main="of_300=c\n")
    assert [service_check.ask(host, Path("/stage"), many, ())[0].stderr for _ in range(2)].count("") == 0
    service_check.ask(host, Path("/stage"), files(1000), ())
    assert len(kept) <= 4 + 3


def test_of_pieces_of_one_form_one_is_read_if_nothing_is_said_of_it() -> None:
    host = Postconf()
    many = {"main.cf": "", "master.cf": files(1000)["master.cf"].replace("$of_", "s")}
    service_check.ask(host, Path("/stage"), many, ())
    assert len(host.read) == 1
    more = SITE.format("new").replace("$of_", "s")
    service_check.ask(host, Path("/stage"), {**many, "master.cf": many["master.cf"] + more}, ())
    assert len(host.read) == 1


def test_of_pieces_of_one_form_all_are_read_if_something_is_said_of_one() -> None:
    many = {"main.cf": "a=b\n", "master.cf": files(1000)["master.cf"].replace("$of_", "s")}
    for one in service_check.ask(Postconf(), Path("/stage"), many, ()):
        assert one.stderr == "postconf: warning: /stage/main.cf: unused parameter: a=b\n"
