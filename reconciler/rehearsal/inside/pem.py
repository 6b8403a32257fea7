"""Stand-ins for the certificates and private keys of the host: a candidate never holds a real key.

Promises: a stand-in has as many blocks as Postfix needs, of the same kind (RSA or elliptic curves), so that cipher
lists mean the same. The stand-ins of files fit together if the files themselves do; otherwise only the keys are
replaced, and Postfix says what it would say of the files. Raises nothing.

Known limit: of a chain, only the first certificate has a stand-in.
"""

from __future__ import annotations

import binascii
import os
import re
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BLOCK = re.compile(
    r"-----BEGIN (?P<label>[A-Z0-9 ]+)-----\s(?P<body>(?:(?!-----BEGIN ).)*?)-----END (?P=label)-----",
    re.DOTALL | re.ASCII,
)
_ELLIPTIC = bytes.fromhex("06072a8648ce3d0201")  # id-ecPublicKey (RFC 5480)
_EDWARDS = bytes.fromhex("06032b65")  # id-Ed25519 and its like (RFC 8410)
KINDS = ("ec", "rsa")


def holds_key(text: str) -> bool:
    """Whether a private key is in the text."""
    return any(_is_key(match) for match in _BLOCK.finditer(text))


def stand_in(text: str, given: Mapping[str, str], *, certificates: bool = True) -> str:
    """Return what a candidate sees instead of *text*; empty if that is no PEM.

    *given* has a certificate and its key for each of KINDS. Without *certificates*, those of the text itself stay.
    """
    shown, wanted = [], True
    for match in _BLOCK.finditer(text):
        ours = {_is_key(one): one[0] for one in _BLOCK.finditer(given[_kind(match)])}
        if _is_key(match):
            shown.append(ours[True])
            wanted = True
        elif match["label"].endswith("CERTIFICATE"):
            if not certificates:
                shown.append(match[0])
            elif wanted:
                shown.append(ours[False])
            wanted = False
    return "".join(f"{block}\n" for block in shown)


def fit(texts: Iterable[str]) -> bool:
    """Whether the files can be loaded together: a key, and the certificate for it."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write("\n".join(texts).encode("utf-8", "surrogateescape"))
        stream.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(f"/proc/self/fd/{descriptor}", password=_nobody)
        except (ssl.SSLError, ValueError):
            return False
    return True


def _nobody() -> str:
    """Return no passphrase, because Postfix can't ask for one either."""
    raise ValueError("no passphrase")


def _is_key(match: re.Match[str]) -> bool:
    return match["label"].endswith("PRIVATE KEY")


def _kind(match: re.Match[str]) -> str:
    try:
        content = binascii.a2b_base64(match["body"].partition("\n\n")[2] or match["body"])
    except ValueError:
        content = b""
    is_elliptic = match["label"] == "EC PRIVATE KEY" or _ELLIPTIC in content or _EDWARDS in content[:40]
    return "ec" if is_elliptic else "rsa"
