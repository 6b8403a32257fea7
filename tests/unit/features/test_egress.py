"""The lockdown's rules as text, and what is said against a section."""

from __future__ import annotations

import pytest

from reconciler.features import egress
from reconciler.features.composition import compose
from reconciler.features.lockdown_names import FILE, NAME
from reconciler.model import Severity
from reconciler.model.errors import InvalidSource
from tests.unit.desired_states import desired, findings_of, only_finding
from tests.unit.host_facts import HOST, facts

WITH_RSPAMD = facts(users=HOST.users | {"_rspamd"}, packages={"nftables": "1.0.6-2+deb12u2"})
ON = {"lockdown": True, "ports": [25], "allow_users": ["_rspamd"]}


def rules_of(section: object, parameters: dict[str, str] | None = None) -> str:
    """The text that a section makes; empty when it is off."""
    merged = compose(desired(parameters, egress=section), WITH_RSPAMD)
    found = merged.companions.get(NAME)
    return found.files[FILE].read().decode() if found else ""


def test_only_the_mail_system_and_those_who_are_named_are_let_out() -> None:
    text = rules_of(ON)

    assert 'meta skuid { "_rspamd", "postfix" } accept' in text
    assert "tcp dport { 25 }" in text
    assert rules_of(ON) == text
    assert 'meta skuid { "mailer" } accept' in rules_of({"ports": [587, 25, 25]}, {"mail_owner": "mailer"})
    assert "tcp dport { 25, 587 }" in rules_of({"ports": [587, 25, 25]})


@pytest.mark.parametrize("section", [{"lockdown": False}, {"lockdown": False, "ports": [25]}])
def test_off_contributes_nothing(section: object) -> None:
    assert rules_of(section) == ""


def test_the_text_replaces_what_is_there_and_touches_no_other_table() -> None:
    lines = [line for line in egress.ruleset((25,), ("postfix",)).splitlines() if not line.startswith(("#", " ", "}"))]

    assert lines == ["table inet reconciler", "delete table inet reconciler", "table inet reconciler {"]


def test_who_is_named_must_exist() -> None:
    text = only_finding("unknown-user", facts=WITH_RSPAMD, egress=ON | {"allow_users": ["_rspam"]})

    assert 'there is no user "_rspam" on this host; did you mean _rspamd?' in text
    assert text.startswith("mail.yaml:")
    assert not findings_of("unknown-user", facts=WITH_RSPAMD, egress=ON)
    assert not findings_of(
        "unknown-user", facts=WITH_RSPAMD, egress={"lockdown": False, "allow_users": ["nobody-else"]}
    )


def test_ports_that_others_need_are_told_of_and_none_at_all_is_refused() -> None:
    (finding,) = findings_of("egress-port", facts=WITH_RSPAMD, egress=ON | {"ports": [25, 443]})
    assert (finding.severity, finding.subject) == (Severity.WARNING, "443")
    (finding,) = findings_of("egress-port", facts=WITH_RSPAMD, egress=ON | {"ports": []})
    assert finding.is_error
    assert not findings_of("egress-port", facts=WITH_RSPAMD, egress=ON | {"ports": [25, 465, 587, 2525]})


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"lockdwn": True}, "did you mean lockdown"),
        ({"lockdown": "perhaps"}, "yes or no"),
        ({"ports": [0]}, "greater than or equal to 1"),
        ({"ports": [70000]}, "less than or equal to 65535"),
        ({"ports": "25"}, "a list"),
        ({"allow_users": "_rspamd"}, "write allow_users: [_rspamd]"),
        ({"allow_users": ['x" } accept; meta skuid { "y']}, "valid"),
        ("yes", "a mapping"),
    ],
)
def test_a_section_of_the_wrong_shape_is_refused_at_its_place(section: object, said: str) -> None:
    with pytest.raises(InvalidSource) as raised:
        desired(egress=section)

    assert said in str(raised.value)
    assert "mail.yaml:" in str(raised.value)
