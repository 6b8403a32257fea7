"""Whom aliases lead to, as real Postfix has them: every word is a recipient, and who is not there bounces."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.rules import recipients
from tests.unit.desired_states import findings_of, only_finding
from tests.unit.host_facts import HOST

ROOT = "info@v.example  root@mx.test.example"


@pytest.fixture(autouse=True, params=[64, 0], ids=["few domains", "many domains"])
def _many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Try everything with a search for all domains, and without, as where there are many."""
    monkeypatch.setattr(recipients, "_MANY", request.param)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"{ROOT}  # the boss", '"#" and the words after it would be recipients'),
        (f"{ROOT}, bob@far.example #sales", '"#sales" and the words after it'),
        (f"{ROOT}; bob@far.example", '"root@mx.test.example;" would be one address'),
        (f"{ROOT} ;bob@far.example", None),
        (f"{ROOT};", "with its semicolon"),
        (ROOT, None),
        ("info@v.example  c#@far.example", None),
        ('info@v.example  "odd; #name"@far.example', None),
    ],
)
def test_what_is_no_address_is_told_at_its_row(row: str, said: str | None) -> None:
    files = {"tables/virtual": f"# all of v.example\nb@v.example root@mx.test.example\n{row}\n"}
    if said is None:
        assert not findings_of("not-an-address", files=files)
    else:
        text = only_finding("not-an-address", files=files)
        assert text.startswith("tables/virtual:3:1: ")
        assert said in text


def test_a_comment_behind_an_alias_is_told_of_and_a_command_may_hold_anything() -> None:
    rows = 'postmaster: root # us\nlist: "|/bin/cat; # x"\n'
    assert only_finding("not-an-address", files={"tables/aliases": rows}).startswith("tables/aliases:1:1: ")


@pytest.mark.parametrize(
    ("rows", "many"),
    [
        (f"{ROOT}\nsales@v.example ghost@v.example\n", 1),
        (f"{ROOT}\nsales@v.example INFO@V.example, info@v.example\n", 0),
        (f"{ROOT}\nsales@v.example ghost@v.example\n@v.example root@mx.test.example\n", 0),
        (f"{ROOT}\nsales@v.example info+x@v.example\n", 1),
        (f"{ROOT}\nsales@v.example ghost@far.example\n", 0),
        (f"{ROOT}\n@far.example @v.example\n", 0),
    ],
)
def test_an_alias_for_nobody_is_refused(rows: str, many: int) -> None:
    assert len(findings_of("nobody-there", files={"tables/virtual": rows})) == many


def test_who_is_behind_an_extension_or_another_table_is_there() -> None:
    rows = {"tables/virtual": f"{ROOT}\nsales@v.example info+x@v.example, c@v.example\n"}
    assert len(findings_of("nobody-there", {"recipient_delimiter": "+-"}, rows)) == 1
    assert not findings_of("nobody-there", {"virtual_alias_maps": "table:virtual, hash:/etc/more"}, rows)


def test_an_alias_for_more_than_the_limit_is_refused() -> None:
    many = ", ".join(f"u{number}@far.example" for number in range(1001))
    rows = {"tables/virtual": f"info@v.example  {many}\n"}
    assert "1001 recipients" in only_finding("too-many-recipients", files=rows)
    assert not findings_of("too-many-recipients", {"virtual_alias_expansion_limit": "5000"}, rows)
    assert not findings_of("too-many-recipients", files={"tables/virtual": f"{ROOT}{' ' * 5000}\n"})


def test_commands_and_lists_that_are_not_there_are_told_at_their_row() -> None:
    rows = {"tables/aliases": 'postmaster: root\nlist: "|/usr/bin/nosuch post", :include:/etc/list\nx: "|exec y"\n'}
    facts = replace(HOST, files={**HOST.files, "/usr/bin/nosuch": False, "/etc/list": True})
    text = only_finding("missing-file", files=rows, facts=facts)
    assert text.startswith('tables/aliases:2:1: table aliases: "list": missing file "/usr/bin/nosuch"')
    assert not findings_of("missing-file", files=rows)
