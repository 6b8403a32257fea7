"""Address classes: a domain in two of them, and aliases for whole domains that take what others should receive."""

from __future__ import annotations

import pytest

from reconciler.rules import address_classes
from tests.unit.desired_states import VIRTUAL, findings_of, only_finding
from tests.unit.host_facts import facts

BOXES = {"virtual_mailbox_domains": "m.example", "virtual_transport": "lmtp:unix:private/d"}
ADA_AND_BOB = {"tables/virtual_mailbox": "ada@m.example ada/\nbob@m.example bob/\n"}


@pytest.fixture(autouse=True, params=[64, 0], ids=["few domains", "many domains"])
def _many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Try everything with a search for all domains, and without, as where there are many."""
    monkeypatch.setattr(address_classes, "_MANY", request.param)


def test_a_domain_of_two_classes_is_told_of() -> None:
    (finding,) = findings_of("two-classes", {"virtual_alias_domains": "v.example Localhost"})
    assert (finding.is_error, "localhost" in finding.text) == (False, True)
    assert not findings_of("two-classes", {"relay_domains": "$mydestination, r.example, table:virtual"})


def test_a_domain_of_two_classes_is_told_of_at_its_line_in_a_table() -> None:
    lines = {"tables/relay_domains": "r.example OK\nV.example OK\n"}
    (finding,) = findings_of("two-classes", files=lines)
    assert str(finding).startswith("tables/relay_domains:2:1: warning:")
    assert "virtual_alias_domains" in finding.text
    below = {"tables/relay_domains": "r.example OK\nexample OK\nsub.v.example OK\n"}
    assert not findings_of("two-classes", files=below)


@pytest.mark.parametrize(
    "parameters",
    [
        {"mydestination": "localhost m.example"},
        {"virtual_alias_domains": "m.example"},
        {"virtual_alias_domains": "m.example", "virtual_mailbox_domains": "table:domains"},
    ],
)
def test_a_class_that_turns_away_the_recipients_of_another_is_refused(parameters: dict[str, str]) -> None:
    files = ADA_AND_BOB | {"tables/domains": "# ours\nM.example x\n"}
    (finding,) = findings_of("two-classes", BOXES | parameters, files)
    assert finding.is_error
    assert "mail for ada@m.example would be refused" in finding.text


def test_the_name_of_the_host_is_local_unless_it_says_otherwise() -> None:
    boxes = {"virtual_mailbox_domains": "mx.test.example", "virtual_mailbox_maps": "inline:{ada@mx.test.example=x}"}
    (finding,) = findings_of("two-classes", boxes)
    assert finding.is_error
    assert not findings_of("two-classes", boxes | {"mydestination": "localhost"})


@pytest.mark.parametrize(
    ("parameters", "rows"),
    [
        ({"mydestination": "m.example"}, "ada@m.example ada\nbob bob\n"),
        ({"mydestination": "m.example"}, "@m.example root@mx.test.example\n"),
        ({"mydestination": "m.example", "local_recipient_maps": "$virtual_mailbox_maps"}, VIRTUAL),
        ({"mydestination": "m.example", "virtual_mailbox_maps": "inline:{root@m.example=x}"}, VIRTUAL),
    ],
)
def test_a_domain_of_two_classes_whose_recipients_all_get_their_mail_is_told_of(
    parameters: dict[str, str], rows: str
) -> None:
    (finding,) = findings_of("two-classes", BOXES | parameters, ADA_AND_BOB | {"tables/virtual": rows})
    assert not finding.is_error


@pytest.mark.parametrize(
    ("rows", "taken"),
    [
        ("@m.example ada@m.example\n", "mail for bob@m.example goes to ada@m.example"),
        ("ada@m.example ada@m.example\n@M.example root@mx.test.example\n", "mail for bob@m.example goes to root"),
        ("@m.example root@mx.test.example\n", "ada@m.example and 1 more"),
        ("bob bob@m.example\n@m.example ada@m.example\n", "mail for bob@m.example"),
        ("@m.example @far.example\n", "and 1 more goes to @far.example"),
        ("ada@m.example ada@m.example\nbob@m.example bob@m.example\n@m.example ada@m.example\n", None),
        ("@m.example ada@m.example bob@m.example\n", None),
        ("@m.example @m.example\n", None),
        ("@far.example ada@m.example\n", None),
    ],
)
def test_a_catch_all_that_takes_mailboxes_is_told_of_at_its_row(rows: str, taken: str | None) -> None:
    found = findings_of("catch-all", BOXES, ADA_AND_BOB | {"tables/virtual": rows})
    assert [finding.is_error for finding in found] == [False] * bool(taken)
    assert not taken or taken in found[0].text


def test_a_catch_all_takes_users_aliases_and_recipients_behind_this_host() -> None:
    rows = {"tables/virtual": "@mx.test.example root@mx.test.example\n"}
    host = facts(users=frozenset({"root", "www-data", "_rspamd", "carol"}))
    assert "mail for carol@mx.test.example goes" in only_finding("catch-all", files=rows, facts=host)
    assert not findings_of("catch-all", files=rows, facts=facts(users=frozenset({"root", "www-data"})))
    aliases = rows | {"tables/aliases": "sales: root, carol\n"}
    assert "mail for sales@mx.test.example goes" in only_finding("catch-all", files=aliases)
    own = {"tables/virtual": "sales carol\n" + rows["tables/virtual"]}
    assert not findings_of("catch-all", files=aliases | own)
    relayed = {"tables/relay_domains": "r.example x\n", "tables/relay_recipient": "eve@r.example x\n"}
    maps = {"relay_recipient_maps": "table:relay_recipient"}
    behind = {"tables/virtual": "@r.example ada@far.example\n"}
    assert "eve@r.example" in only_finding("catch-all", maps, relayed | behind)


@pytest.mark.parametrize(
    ("patterns", "many"),
    [
        ("/@m\\.example$/ ada@m.example\n", 1),
        ("/^bob@m\\.example$/ bob@m.example\n/@m\\.example$/ ada@m.example\n", 0),
        ("/^(.*)@m\\.example$/ $1@far.example\n", 0),
        ("/^(ada|bob)@m\\.example$/ root@mx.test.example\n", 0),
    ],
)
def test_a_pattern_may_be_a_catch_all(patterns: str, many: int) -> None:
    files = ADA_AND_BOB | {"tables/all.regexp": patterns}
    own = BOXES | {"virtual_alias_maps": "regexp:$config_directory/all", "virtual_alias_domains": ""}
    assert len(findings_of("catch-all", own, files)) == many
