"""Parse PEM files, and make keys: the only importer of cryptography, and a program of its own.

The import takes 18 MiB, which a process keeps. Therefore the daemon has main() parse its files (certificates.py), in a
process that ends; the commands, which end soon, import this module.

Promises: a certificate that OpenSSL can parse and cryptography can't is returned without names and dates, so that no
file is refused that Postfix accepts. Raises ValueError for what can't be parsed.

Known limit: a key with a passphrase is an error, as it is for Postfix.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import re
import ssl
import sys
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from reconciler.host.regular_files import start_of
from reconciler.model import Certificate, Key

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

_BLOCK = re.compile(
    rb"-----BEGIN (?P<label>[A-Z0-9 .]+)-----\s(?:(?!-----BEGIN ).)*?-----END (?P=label)-----", re.DOTALL
)
_CERTIFICATES = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"})
_DAY = 86400.0
MAX_BYTES = 4 << 20


class Block(NamedTuple):
    """A key or a certificate, by the sha256 of its public key; *public* is empty where that can't be told.

    A certificate has host *names*, and is valid *since* and *until* these seconds of the epoch, if it could be parsed.
    """

    is_key: bool
    public: str = ""
    names: tuple[str, ...] | list[str] = ()
    since: float | None = None
    until: float = 0.0

    def at(self, now: datetime) -> Key | Certificate:
        """Return it with its days counted from *now*."""
        if self.is_key:
            return Key(self.public)
        if self.since is None:
            return Certificate(self.public)
        moment = now.timestamp()
        return Certificate(self.public, tuple(self.names), int((self.until - moment) // _DAY), self.since <= moment)


Parsed = tuple[list[Block], str]
"""The blocks of a file, and what is wrong with it."""


def main() -> None:
    """Print what each of the files holds, whose paths are on standard input; both are JSON. A file may be null."""
    json.dump([_read(path) for path in json.load(sys.stdin)], sys.stdout)


def _read(path: str) -> Parsed | None:
    with suppress(OSError):
        content = start_of(path, MAX_BYTES + 1)
        return parse(content) if len(content) <= MAX_BYTES else ([], f"holds more than {MAX_BYTES >> 20} MiB")
    return None


def parse(content: bytes) -> Parsed:
    """Return the keys and certificates of a PEM file's *content*, and the problem with it."""
    blocks: list[Block] = []
    for match in _BLOCK.finditer(content):
        label, text = match["label"], match.group() + b"\n"
        try:
            if label in _CERTIFICATES:
                blocks.append(_certificate(text))
            elif label.endswith(b"PRIVATE KEY"):
                blocks.append(_key(text))
        except ValueError as error:
            number = content.count(b"\n", 0, match.start()) + 1
            return blocks, f"can't be read at its line {number}: {error}"
    return blocks, "" if blocks else "holds neither a certificate nor a key"


def _certificate(text: bytes) -> Block:
    from cryptography import x509  # noqa: PLC0415 - most of what it costs is the import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unusual certificates, which the rules report
        try:
            parsed = x509.load_pem_x509_certificate(text)
            dates = parsed.not_valid_before_utc.timestamp(), parsed.not_valid_after_utc.timestamp()
            return Block(False, _digest(parsed), _names(parsed), *dates)
        except Exception as error:  # cryptography has no common base class for parse errors
            if _openssl_reads(text):
                return Block(False)
            raise ValueError("not a certificate") from error


def _key(text: bytes) -> Block:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    try:
        # Like Postfix, do not have OpenSSL verify the primes, which takes 40 ms for each key.
        public = load_pem_private_key(text, None, unsafe_skip_rsa_key_validation=True).public_key()
    except TypeError as error:
        raise ValueError("the key has a passphrase, which Postfix can't ask for") from error
    except UnsupportedAlgorithm:
        return Block(True)
    except ValueError as error:
        raise ValueError("not a key") from error
    return Block(True, hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest())


def _openssl_reads(text: bytes) -> bool:
    with suppress(ssl.SSLError, ValueError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text.decode("ascii"))
        return True
    return False


def _digest(holder: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    public = holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).hexdigest()


def _names(parsed: x509.Certificate) -> tuple[str, ...]:
    """Return the host names of a certificate: those of its extension, else the common name."""
    from cryptography import x509  # noqa: PLC0415

    with suppress(x509.ExtensionNotFound):
        extension = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        if names := extension.value.get_values_for_type(x509.DNSName):
            return tuple(name.lower() for name in names)
    common = parsed.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return tuple(str(name.value).lower() for name in common)


def new_key() -> str:
    """Return a new RSA key of 2048 bits in PEM: every DKIM receiver can verify it, and DNS can hold it."""
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def public_half(pem: str) -> str:
    """Return the public half of a private RSA key in base64; raise ValueError for any other text."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    try:
        key = load_pem_private_key(pem.encode(), None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise ValueError("not a private key, or it has a passphrase") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 - of a text
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(public).decode("ascii")


def prepare() -> None:
    """Import now the modules for reading a certificate, for a process that loses access to them later."""
    for name in ("cryptography.x509", "cryptography.hazmat.primitives.serialization"):
        importlib.import_module(name)


def identify(der: bytes, now: datetime) -> Certificate:
    """Return a server's certificate, its days counted from *now*; without names if it can't be parsed."""
    try:
        block = _certificate(ssl.DER_cert_to_PEM_cert(der).encode()).at(now)
    except ValueError:
        block = Certificate("")
    return block if isinstance(block, Certificate) else Certificate("")


def public_key(der: bytes) -> bytes:
    """Return a certificate's public key, as TLSA records with selector 1 contain it."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    return (
        x509.load_der_x509_certificate(der).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
