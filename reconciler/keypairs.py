"""Certificates and keys on disk: what they are now, and whether Postfix could load them.

Promises: reads only; a key's bytes go nowhere but into OpenSSL's own memory. Raises nothing: what cannot be read is not
there, for Postfix as for us. dkim_records() tells of keys in the repository instead, by their public halves. Known
limit: whether a certificate is valid today, or for which names, is not judged.
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler import certificates
from reconciler.features import dkim

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model import Desired

_KEY = re.compile(rb"(?=-----BEGIN [A-Z ]*PRIVATE KEY-----)")


def digests(paths: Iterable[str]) -> dict[str, str]:
    """The sha256 of each file's bytes; empty for one that can't be read."""
    return {path: hashlib.sha256(content).hexdigest() if (content := _read(path)) else "" for path in sorted(paths)}


def problem(files: Sequence[str]) -> str:
    """Why files that must be loaded together can't be, or empty; each key belongs to the certificates after it."""
    contents = []
    for path in files:
        if not (content := _read(path)):
            return f"{path} is not there, is empty or can't be read"
        contents.append(content)
    first, *keys = _KEY.split(b"\n".join(contents))
    if not keys:
        return f"there is no private key in {' and '.join(files)}"
    keys[0] += b"\n" + first  # a certificate may stand before its only key
    return next((why for why in map(_unloadable, keys) if why), "")


def dkim_records(desired: Desired) -> dict[str, str]:
    """The TXT records to publish as SELECTOR._domainkey below every domain that mail is signed for, by selector."""
    section = desired.section(dkim.Schema)
    records = {}
    for key in section.keys.values() if section and section.enabled else ():
        if secret := desired.secrets.get(key.key.name):
            with suppress(ValueError):  # a rule speaks of it
                records[key.selector] = dkim.record(certificates.public_half(secret.value))
    return records


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
    """Nobody is there to type a passphrase, for Postfix neither."""
    raise ValueError("no passphrase")


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
