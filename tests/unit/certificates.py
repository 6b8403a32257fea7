"""Certificates and keys for the tests, made by cryptography."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime.now(UTC)
PRIVATE = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


def certificate(
    *names: str, days: float = 90, since: float = -1, private: ec.EllipticCurvePrivateKey = PRIVATE
) -> bytes:
    """Make a certificate that signs itself."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "common.example")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(private.public_key())
    builder = builder.serial_number(7).not_valid_before(NOW + timedelta(days=min(since, days - 1)))
    builder = builder.not_valid_after(NOW + timedelta(days=days))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def key(private: ec.EllipticCurvePrivateKey = PRIVATE, phrase: bytes = b"") -> bytes:
    """Return the key as PEM, encrypted where there is a pass phrase."""
    sealed = serialization.BestAvailableEncryption(phrase) if phrase else serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)


HOST_CERTIFICATE = certificate("mx.test.example")
