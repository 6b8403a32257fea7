"""Read certificates and keys from PEM files; the only importer of cryptography, loaded when the first file is read.

Promises: read() changes nothing and reads a file again only when it has changed. A certificate that OpenSSL can parse
and cryptography can't is returned without names and dates, so that no file is refused that Postfix accepts. Raises
OSError for a file that can't be read.

Known limits: the import takes 18 MiB once. A key with a passphrase is an error, as it is for Postfix.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib
import os
import re
import ssl
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Certificate, Key, Pem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cryptography import x509

_BLOCK = re.compile(
    rb"-----BEGIN (?P<label>[A-Z0-9 .]+)-----\s(?:(?!-----BEGIN ).)*?-----END (?P=label)-----", re.DOTALL
)
_CERTIFICATES = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"})
_KEPT = 4096
MAX_BYTES = 4 << 20


class _Dated(NamedTuple):
    """A certificate and its period of validity."""

    public: str
    names: tuple[str, ...]
    since: datetime
    until: datetime


Parsed = tuple[tuple[Key | Certificate | _Dated, ...], str]


def read(path: str, now: datetime) -> Pem:
    """Return the contents of the file, with its certificates' days counted from *now*."""
    status = Path(path).stat()
    blocks, problem = _parsed(path, (status.st_ino, status.st_mtime_ns, status.st_size))
    return Pem(tuple(_at(block, now) for block in blocks), problem)


def _at(block: Key | Certificate | _Dated, now: datetime) -> Key | Certificate:
    if not isinstance(block, _Dated):
        return block
    return Certificate(block.public, block.names, (block.until - now).days, block.since <= now)


@functools.lru_cache(maxsize=_KEPT)
def _parsed(path: str, signature: tuple[int, int, int]) -> Parsed:
    if signature[-1] > MAX_BYTES:
        return (), f"holds more than {MAX_BYTES >> 20} MiB"
    return parse(Path(path).read_bytes())


def parse(content: bytes) -> Parsed:
    """Return the keys and certificates of a PEM file's *content*, and the problem with it."""
    blocks: list[Key | Certificate | _Dated] = []
    for match in _BLOCK.finditer(content):
        label, text = match["label"], match.group() + b"\n"
        try:
            if label in _CERTIFICATES:
                blocks.append(_certificate(text))
            elif label.endswith(b"PRIVATE KEY"):
                blocks.append(_key(text))
        except ValueError as error:
            number = content.count(b"\n", 0, match.start()) + 1
            return tuple(blocks), f"can't be read at its line {number}: {error}"
    return tuple(blocks), "" if blocks else "holds neither a certificate nor a key"


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


def _certificate(text: bytes) -> Certificate | _Dated:
    from cryptography import x509  # noqa: PLC0415 - most of what it costs is the import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unusual certificates, which the rules report
        try:
            parsed = x509.load_pem_x509_certificate(text)
            return _Dated(_digest(parsed), _names(parsed), parsed.not_valid_before_utc, parsed.not_valid_after_utc)
        except Exception as error:  # cryptography has no common base class for parse errors
            if _openssl_reads(text):
                return Certificate("")
            raise ValueError("not a certificate") from error


def prepare() -> None:
    """Import now the modules for reading a certificate, for a process that loses access to them later."""
    for name in ("cryptography.x509", "cryptography.hazmat.primitives.serialization"):
        importlib.import_module(name)


def identify(der: bytes, now: datetime) -> Certificate:
    """Return a server's certificate, its days counted from *now*; without names if it can't be parsed."""
    try:
        block = _at(_certificate(ssl.DER_cert_to_PEM_cert(der).encode()), now)
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


def _key(text: bytes) -> Key:
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
        return Key("")
    except ValueError as error:
        raise ValueError("not a key") from error
    return Key(hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest())


_KEY = re.compile(rb"(?=-----BEGIN [A-Z ]*PRIVATE KEY-----)")


def digests(paths: Iterable[str]) -> dict[str, str]:
    """Return the sha256 of each file's bytes; empty for a file that can't be read."""
    return {path: hashlib.sha256(content).hexdigest() if (content := _read(path)) else "" for path in sorted(paths)}


def problem(files: Sequence[str]) -> str:
    """Return why files can't be loaded together, or empty; each key belongs to the certificates after it."""
    contents = []
    for path in files:
        if not (content := _read(path)):
            return f"{path} is missing, is empty or can't be read"
        contents.append(content)
    first, *keys = _KEY.split(b"\n".join(contents))
    if not keys:
        return f"there is no private key in {' and '.join(files)}"
    keys[0] += b"\n" + first  # a certificate may stand before its only key
    return next((why for why in map(_unloadable, keys) if why), "")


def _unloadable(pem: bytes) -> str:
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(pem)
        stream.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(f"/proc/self/fd/{descriptor}", password=_nobody)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                return "the private key does not belong to the certificate"
            return f"OpenSSL can't load it ({error.reason or 'no certificate'})"
        except ValueError:
            return "the private key needs a passphrase"
    return ""


def _nobody() -> str:
    """Return an empty passphrase, because Postfix can't ask for one either."""
    raise ValueError("no passphrase")


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
