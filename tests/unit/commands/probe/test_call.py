"""Certificates of a conversation beside TLSA records."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from reconciler.commands.probe.call import judge
from reconciler.commands.probe.diagnosis import Tlsa
from reconciler.host.certificates import public_key
from reconciler.host.dns.resolver import Association
from tests.unit.certificates import certificate


def test_tlsa_records_are_compared_as_rfc_7672_says() -> None:
    pem = certificate("mx.example.net")
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    key = hashlib.sha256(public_key(der)).digest()
    whole = hashlib.sha512(der).digest()

    def of(*records: Association, host: str = "mx.example.net") -> Tlsa:
        return judge(records, [der], host)

    assert of() is Tlsa.NONE
    assert of(Association(3, 1, 1, key)) is Tlsa.MATCHES
    assert of(Association(3, 0, 2, whole)) is Tlsa.MATCHES
    assert of(Association(3, 0, 0, der)) is Tlsa.MATCHES
    assert of(Association(3, 1, 1, key), host="other.example.net") is Tlsa.MATCHES
    assert of(Association(2, 1, 1, key), host="other.example.net") is Tlsa.DIFFERS
    assert of(Association(2, 1, 1, key)) is Tlsa.MATCHES
    assert of(Association(3, 0, 1, key)) is Tlsa.DIFFERS
    assert of(Association(1, 1, 1, key)) is Tlsa.UNUSABLE
    assert of(Association(1, 1, 1, key), Association(3, 1, 1, b"")) is Tlsa.DIFFERS
