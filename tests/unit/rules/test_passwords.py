"""Passwords in plain text are refused; logins that are kept elsewhere are fine."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import VIRTUAL, findings_of, only_finding


@pytest.mark.parametrize("value", ["static:u:geheim", "inline:{h=u:geheim}", "table:pw", "proxy:lmdb:/etc/postfix/pw"])
def test_a_password_in_plain_text_is_refused_by_its_use(value: str) -> None:
    text = only_finding("plain-text-secret", {"smtp_sasl_password_maps": value}, {"tables/pw": "h u:geheim\n"})
    assert "!secret" in text
    assert "geheim" not in text


def test_logins_that_are_kept_elsewhere_are_fine() -> None:
    empty = {"tables/pw": "# nobody yet\n", "tables/virtual": VIRTUAL}
    assert not findings_of("plain-text-secret", {"smtp_sasl_password_maps": "table:pw, ldap:/etc/people.cf"}, empty)
