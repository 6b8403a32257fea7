"""The stand-ins of certificates and keys fit together if the files do."""

from __future__ import annotations

from pathlib import Path

import pytest

import reconciler.rehearsal.inside
from reconciler.rehearsal.inside import pem

FOLDER = Path(reconciler.rehearsal.inside.__file__).parent
GIVEN = {"ec": (FOLDER / "world.pem").read_text(), "rsa": (FOLDER / "rsa.pem").read_text()}


def halves(kind: str) -> tuple[str, str]:
    """The certificate and the key of a kind, which are the host's own in these tests."""
    start = GIVEN[kind].index("-----BEGIN PRIVATE KEY")
    return GIVEN[kind][GIVEN[kind].index("-----BEGIN CERT") : start], GIVEN[kind][start:]


OTHER = {"ec": GIVEN["ec"].replace("MI", "MJ"), "rsa": GIVEN["rsa"].replace("MI", "MJ")}  # to be told from the host's


@pytest.mark.parametrize("kind", pem.KINDS)
def test_a_stand_in_is_of_the_same_kind(kind: str) -> None:
    certificate, key = halves(kind)
    text = pem.stand_in(certificate + key, OTHER)
    assert text.count("-----BEGIN") == 2
    assert all(block in OTHER[kind] for block in text.split("-----END CERTIFICATE-----\n"))
    assert not any(line in text for line in key.splitlines()[1:-1] if len(line) == 64 and "MI" in line)


def test_of_a_chain_the_first_certificate_of_each_key_is_enough() -> None:
    (certificate, key), (second, other) = halves("rsa"), halves("ec")
    text = pem.stand_in(key + certificate + certificate + other + second, GIVEN)
    labels = [line for line in text.splitlines() if "BEGIN" in line]
    assert [("KEY" in label) for label in labels] == [True, False, True, False]


def test_files_that_do_not_fit_keep_their_certificates() -> None:
    certificate, key = halves("rsa")
    _, other = halves("ec")
    assert pem.fit([certificate, key])
    assert pem.fit([key, certificate])
    assert not pem.fit([certificate, other])
    assert not pem.fit(["", ""])
    assert pem.stand_in(certificate, OTHER, certificates=False).strip() == certificate.strip()


def test_what_is_no_pem_has_an_empty_stand_in() -> None:
    for text in (
        "",
        "AGE-SECRET-KEY-1QQ",
        "-----BEGIN CERTIFICATE-----\nnever ends",
        "-----BEGIN DH PARAMETERS-----\n",
    ):
        assert pem.stand_in(text, GIVEN) == ""
        assert not pem.holds_key(text)
    assert pem.holds_key(halves("ec")[1])
    encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"
    assert pem.holds_key(encrypted)
    assert "Proc-Type" not in pem.stand_in(encrypted, GIVEN)
