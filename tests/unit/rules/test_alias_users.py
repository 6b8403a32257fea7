"""An alias for a user who is not there is told; one that another program may know is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.rules import alias_users
from tests.unit.desired_states import findings_of, only_finding

if TYPE_CHECKING:
    from collections.abc import Collection

RULE = "no-such-user"


@pytest.mark.parametrize("target", ["nosuchuser", "root, nosuchuser", "\\nosuchuser", "nosuchuser+x", "Nosuchuser"])
def test_an_alias_for_nobody_is_told_at_its_row(target: str) -> None:
    told = only_finding(RULE, {"recipient_delimiter": "+"}, {"tables/aliases": f"postmaster: root\nsales: {target}\n"})

    assert told.startswith('tables/aliases:2:1: warning: table aliases: "sales": "')
    assert "nosuchuser" in told.lower()


def test_a_misspelt_user_is_told_with_the_one_that_was_meant() -> None:
    assert only_finding(RULE, files={"tables/aliases": "sales: vmial\n"}).endswith("; did you mean vmail?")


@pytest.mark.parametrize(
    "rows",
    [
        "sales: root, vmail, help\nhelp: root\n",
        "sales: Root\n",
        "sales: root+inbox\n",
        'sales: "|/bin/cat somebody"\n',
        "sales: :include:/etc/somebody\n",
        "sales: somebody@elsewhere.example\n",
        "sales: /var/mail/somebody\n",
    ],
)
def test_users_aliases_addresses_and_programs_are_known(rows: str) -> None:
    assert findings_of(RULE, {"recipient_delimiter": "+"}, {"tables/aliases": rows}) == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"mailbox_transport": "lmtp:unix:private/dovecot"},
        {"luser_relay": "info@v.example", "local_recipient_maps": ""},
        {"alias_maps": "table:aliases, hash:/etc/aliases"},
        {"local_transport": "virtual"},
    ],
)
def test_it_is_silent_where_another_may_know_the_name(parameters: dict[str, str]) -> None:
    assert findings_of(RULE, parameters, {"tables/aliases": "sales: nosuchuser\n"}) == []


def test_the_hints_of_a_large_table_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(_word: str, known: Collection[str]) -> str:
        asked.append(len(known))
        return ""

    monkeypatch.setattr(alias_users, "did_you_mean", counted)
    rows = "".join(f"alias{number}: nobody-{number}\n" for number in range(3000))

    assert len(findings_of("no-such-user", files={"tables/aliases": rows})) == 3000
    assert sum(asked) <= 1 << 20
