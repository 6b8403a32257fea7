"""The certificates and keys of this host: what their files hold, and whether Postfix could load them.

Promises: read() changes nothing and has a file read again only when it has changed. All files that are new are parsed
by one process, which ends (pem.py), because what it imports would stay in the daemon.

Raises CommandFailed when that process fails.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.pem import Block, Parsed
from reconciler.model import Pem
from reconciler.model.past import Past

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from reconciler.host.effects import Host

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from reconciler.host.pem import main; main()"
_known: Past[Parsed] = Past(1 << 14)
_KEY = re.compile(rb"(?=-----BEGIN [A-Z ]*PRIVATE KEY-----)")


def read(paths: Iterable[str], now: datetime, host: Host) -> dict[str, Pem]:
    """Return what each file holds, with its certificates' days counted from *now*; without files that can't be read."""
    there = {path: signature for path in paths if (signature := _signature(path))}
    found = dict(zip(there, _known.used_each(list(there.values())), strict=True))
    if new := [path for path, parsed in found.items() if parsed is None]:
        for path, parsed in zip(new, _parsed(new, host), strict=True):
            found[path] = parsed
            if parsed:
                _known.keep(there[path], parsed)
    return {
        path: Pem(tuple(block.at(now) for block in parsed[0]), parsed[1]) for path, parsed in found.items() if parsed
    }


def _signature(path: str) -> tuple[object, ...]:
    with suppress(OSError, ValueError):
        status = Path(path).stat()
        return path, status.st_ino, status.st_mtime_ns, status.st_size
    return ()


def _parsed(paths: Sequence[str], host: Host) -> Iterable[Parsed | None]:
    argv = sys.executable, "-I", "-c", _PROGRAM, str(Path(__file__).parents[2])
    for given in json.loads(host.run(argv, input=json.dumps(paths).encode()).checked().stdout):
        yield given and ([Block(*row) for row in given[0]], given[1])


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
