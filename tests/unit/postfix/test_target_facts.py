"""The facts of a host as they will be when the files of the commit are there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model import Access, AccessKind, Contribution, DeployedFile, Pem, Table
from reconciler.postfix.target_facts import with_files, without_files
from tests.unit.host_facts import HOST

RUN, READ = AccessKind.RUN, AccessKind.READ
PATH = "/etc/postfix/bin/x"


def having(mode: int, owner: str = "root:root") -> Contribution:
    return Contribution(
        files={"bin/x": DeployedFile(path="bin/x", content=b"", source="files/bin/x", mode=mode, owner=owner)}
    )


def test_a_file_of_the_commit_is_there_and_what_the_old_one_holds_does_not_count() -> None:
    facts = replace(HOST, files={PATH: False, "/x": False}, pems={PATH: Pem(problem="x"), "/x": Pem(problem="y")})

    known = with_files(facts, having(0o644))

    assert known.files == {PATH: True, "/x": False}
    assert known.pems == {"/x": Pem(problem="y")}
    assert with_files(facts, Contribution()) is facts


def test_a_table_of_the_commit_is_there_with_its_map() -> None:
    table = Table(name="people", type="lmdb", source=b"", file="tables/people", compiler="postmap")
    facts = replace(HOST, files={"/etc/postfix/people": False, "/etc/postfix/people.db": False})

    known = with_files(facts, Contribution(tables={"people": table}))

    assert known.files == {
        "/etc/postfix/people": True, "/etc/postfix/people.lmdb": True, "/etc/postfix/people.db": False,
    }  # fmt: skip


def test_what_only_the_live_commit_brings_is_not_there_for_another() -> None:
    facts = replace(HOST, files={PATH: True, "/etc/postfix/theirs": True, "/bin/x": True})

    known = without_files(facts, ["/etc/postfix/main.cf", PATH])

    assert known.files == {PATH: False, "/etc/postfix/theirs": True, "/bin/x": True}
    assert with_files(known, having(0o755)).files[PATH]
    assert without_files(facts, ["/etc/postfix/main.cf"]) is facts


@pytest.mark.parametrize(
    ("mode", "owner", "user", "kind", "answer"),
    [
        (0o755, "root:root", "nobody:", RUN, ""),
        (0o644, "root:root", "nobody:", RUN, "permission denied"),
        (0o644, "root:root", "root", RUN, "permission denied"),
        (0o640, "root:postfix", "postfix", READ, ""),
        (0o640, "root:postfix", "vmail:postfix", READ, ""),
        (0o640, "root:postfix", "vmail", READ, None),
        (0o600, "root:root", "vmail", READ, "permission denied"),
        (0o644, "root:root", "vmail", AccessKind.WRITE, "permission denied"),
    ],
)
def test_who_may_use_it_follows_from_its_mode(
    mode: int, owner: str, user: str, kind: AccessKind, answer: str | None
) -> None:
    asked = Access(PATH, user, kind)
    facts = replace(HOST, accesses={asked: "no such file or directory", Access("/x", user, kind): "other"})

    known = with_files(facts, having(mode, owner)).accesses

    assert known == {asked: answer, Access("/x", user, kind): "other"}


def test_a_link_outside_is_there_with_the_rights_of_its_file() -> None:
    link = "/etc/policyd/x"
    made = DeployedFile(path="bin/x", content=b"", source="files/bin/x", mode=0o755, link=link)
    run = Access(link, "nobody:", RUN)
    facts = replace(HOST, files={link: False}, accesses={run: "no such file"})

    known = with_files(facts, Contribution(files={"bin/x": made}))

    assert (known.files[link], known.accesses[run]) == (True, "")
    assert not without_files(known, [link]).files[link]
