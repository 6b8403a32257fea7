"""Versions of TLS, and digests."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of

ALL = "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1, !TLSv1.2, !TLSv1.3"


@pytest.mark.parametrize("name", ["smtp_tls_mandatory_protocols", "smtpd_tls_protocols", "lmtp_tls_protocols"])
@pytest.mark.parametrize(
    ("value", "is_error"),
    [(ALL, True), ("SSLv3", True), (">=TLSv1.3, !TLSv1.3", True), ("TLSv1", False), ("<=TLSv1.1", False)],
)
def test_a_list_without_a_version_of_today_is_told_of(name: str, value: str, is_error: bool) -> None:
    (finding,) = findings_of("no-tls-version", {name: value})
    assert finding.is_error is is_error


@pytest.mark.parametrize(
    "value", ["", "!SSLv2, !SSLv3", ">=TLSv1.2", "TLSv1.2", "TLSv1.2:TLSv1.3", ">=0x0303", "!TLSv1.3"]
)
def test_a_list_with_one_is_not(value: str) -> None:
    assert not findings_of("no-tls-version", {"smtp_tls_mandatory_protocols": value})


def test_a_digest_must_exist() -> None:
    assert findings_of("no-tls-version", {"smtp_tls_fingerprint_digest": "sha265"})
    for known in ("sha256", "SHA2-256", "sha-256", "RSA-SHA256", "sha3-512", "md5", "2.16.840.1.101.3.4.2.1"):
        assert not findings_of("no-tls-version", {"smtpd_tls_fingerprint_digest": known})
