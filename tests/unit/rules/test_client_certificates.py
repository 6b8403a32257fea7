"""Certificates that decide, and that nobody asks for."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

CLIENTS = {"smtpd_relay_restrictions": "permit_mynetworks, permit_tls_all_clientcerts, reject_unauth_destination"}


@pytest.mark.parametrize("asks", ["smtpd_tls_ask_ccert", "smtpd_tls_req_ccert"])
def test_certificates_must_be_asked_for(asks: str) -> None:
    assert "permits nobody" in only_finding("certificate-not-asked", CLIENTS)
    assert not findings_of("certificate-not-asked", CLIENTS | {asks: "yes"})
    line = {"master.d/s.cf": f"192.0.2.10:5587 inet n - n - - smtpd\n  -o {asks}=yes\n"}
    assert not findings_of("certificate-not-asked", CLIENTS, line)


def test_a_table_of_certificates_is_asked_for_those_alone() -> None:
    lists = {"smtpd_client_restrictions": "check_ccert_access inline:{{a=b}}"}
    assert "is never asked" in only_finding("certificate-not-asked", lists)
    assert not findings_of("certificate-not-asked", {"smtpd_client_restrictions": "permit_mynetworks"})
