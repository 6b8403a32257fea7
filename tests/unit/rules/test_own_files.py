"""No setting may name reconciler's own files."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding
from tests.unit.host_facts import facts

OWN = facts(reserved=("/etc/reconciler", "/var/lib/reconciler/private"))


@pytest.mark.parametrize(
    "value",
    [
        "check_client_access cidr:/etc/reconciler/identity.age, permit",
        "check_client_access { pcre:/etc//postfix/../reconciler/identity.age, default_action=x }",
        "check_client_access texthash:/var/lib/reconciler/private/journal.jsonl",
    ],
)
def test_a_table_of_reconcilers_own_is_refused(value: str) -> None:
    assert "belongs to reconciler" in only_finding("reserved-file", {"smtpd_client_restrictions": value}, facts=OWN)


def test_an_option_of_a_service_counts_and_other_files_do_not() -> None:
    service = "x unix - - n - - smtp\n  -o smtp_tls_CAfile=/etc/reconciler/identity.age\n"
    assert findings_of("reserved-file", files={"master.d/x.cf": service}, facts=OWN)
    for path in ("/etc/reconciler.pem", "/etc/postfix/reconciler/x", "/var/lib/reconciler/live/postfix/x"):
        assert not findings_of("reserved-file", {"smtp_tls_CAfile": path}, facts=OWN)
