"""How a deployed file changes, in a plan."""

from __future__ import annotations

import pytest

from reconciler.model import Activation, Contribution, DeployedFile, File, Kind, Where
from reconciler.trees.changes import change_lines
from reconciler.trees.plan import diff, raise_if_unsafe

TEXT = b"one\ntwo\nthree\nfour\n"


def made(content: bytes = TEXT, path: str = "bounce.cf", source: str = "") -> Contribution:
    return Contribution(files={path: DeployedFile(path=path, content=content, source=source or f"files/{path}")})


def told(before: bytes | None, after: bytes | None, path: str = "bounce.cf") -> list[tuple[object, ...]]:
    live, target = ({path: File.of(one)} if one is not None else {} for one in (before, after))
    plan = diff(live, target, made(after, path) if after is not None else Contribution())
    raise_if_unsafe(plan, confirmed=False)
    assert {change.kind for change in plan.changes} == {Kind.FILE}
    return [(change.before, change.after, change.where) for change in plan.changes]


def test_the_lines_that_change_have_their_places_in_the_commit() -> None:
    assert told(TEXT, b"one\n2\nthree\nfour\nfive\n") == [
        ("two", "2", Where("files/bounce.cf", 2)),
        ("", "five", Where("files/bounce.cf", 5)),
    ]


@pytest.mark.parametrize("path", ["bounce.cf", "sasl/smtpd"])
def test_a_file_that_comes_or_goes_is_no_table_however_long_it_is(path: str) -> None:
    many = b"x y\n" * 20
    assert told(None, many, path) == [(None, "20 lines", Where(f"files/{path}"))]
    assert told(many, None, path) == [("20 lines", None, None)]


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"one\n", b"one"), (b"\0a", b"\0b"), (b"a\n" * 500, b"b\n" * 500), (b"\xff\n", b"\xfe\n")],
)
def test_no_difference_is_lost(before: bytes, after: bytes) -> None:
    assert len(told(before, after)) == 1


def test_a_mode_alone_is_a_change_with_a_place() -> None:
    plan = diff({"bounce.cf": File.of(TEXT, 0o644)}, {"bounce.cf": File.of(TEXT, 0o640, "root:postfix")}, made())

    assert [(one.before, one.after, one.where) for one in plan.changes] == [
        ("mode 0644, root:root", "mode 0640, root:postfix", Where("files/bounce.cf"))
    ]


def test_a_sealed_file_is_never_shown() -> None:
    sealed = made(b"new\n", source="files/bounce.cf.age")
    plan = diff({"bounce.cf": File.of(b"old\n", 0o640)}, {"bounce.cf": File.of(b"new\n", 0o640)}, sealed)

    assert [(one.before, one.after, one.where) for one in plan.changes] == [
        ("(secret)", "(secret)", Where("files/bounce.cf.age"))
    ]


def test_links_that_come_go_or_lead_elsewhere_are_changes_with_their_places() -> None:
    def tree(**links: str) -> dict[str, File]:
        return {name: File.of(TEXT, link=link) for name, link in links.items()}

    there = Where("mail.yaml", 7)
    file = DeployedFile(path="b", content=TEXT, source="files/b", link="/etc/x/stays", link_where=there)
    live = tree(a="/etc/x/stays", b="/etc/x/goes", c="")
    plan = diff(live, tree(a="", b="/etc/x/stays", c="/etc/x/comes"), Contribution(files={"b": file}))

    assert [(one.kind, one.what, one.before, one.after, one.where) for one in plan.changes] == [
        (Kind.LINK, "/etc/x/comes", None, "to c", None),
        (Kind.LINK, "/etc/x/goes", "to b", None, None),
        (Kind.LINK, "/etc/x/stays", "to a", "to b", there),
    ]
    assert plan.steps == (Activation.RELOAD,)
    assert next(change_lines(plan.changes)).strip() == "+ /etc/x/comes  link to c"
