"""rspamd: where its files go, how it takes over new ones, and whether it signs mail.

Promises: check() is rspamd's own, on the staged files; answers() has a message signed by the configuration in *folder*.
A running rspamd reads new files without closing its sockets, so that no mail is turned away meanwhile. Raises
CommandFailed when the service does not start.

Known limit: an administrator's rspamd (``only_sign: no``) whose normal worker is not on port 11333 is only asked
whether its Milter answers.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.programs import service
from reconciler.host.sockets import cut_after
from reconciler.model import UNWRITTEN, Finding
from reconciler.model.ascii_text import SPACE, split_lines

if TYPE_CHECKING:
    from reconciler.host.effects import Host

NAME = PACKAGE = "rspamd"
TITLE = "rspamd"
SIGNING, ONLY_SIGN = "override.d/dkim_signing.conf", "rspamd.conf.local.override"
PLACES = {f"/etc/rspamd/{path}": path for path in (SIGNING, ONLY_SIGN, "override.d/options.inc")}
COPIED: frozenset[str] = frozenset()
IS_SERVICE = True
HOST, MILTER, NORMAL, TIMEOUT = "localhost", 11332, 11333, 2.0
_LONGEST = 1 << 20
PATIENCE = 60.0
"""Compiling its lists for the first time takes rspamd half a minute."""
_PID = Path("/run/rspamd/rspamd.pid")
_LOG = Path("/var/log/rspamd/rspamd.log")
_OWN = ("local.d", "override.d")
_NOISE = re.compile(r"^(?:cannot find dependency|cannot parse resolv\.conf)")
_FIRST = re.compile(r'^key_table = \["(?P<domain>[^ ]+) %:(?P<selector>[^:]+):', re.MULTILINE)
_ALL = "all"


def check(host: Host, folder: Path) -> list[Finding]:
    """What rspamd itself says of the files, and what an administrator set up that would be out of force."""
    found = []
    done = host.run(("rspamadm", f"--var=LOCAL_CONFDIR={folder}", "configtest", "-q"), timeout=PATIENCE)
    if done.status:
        lines = split_lines(f"{done.stdout}\n{done.stderr}")
        said = "; ".join(line for line in lines if line.strip(SPACE) and not _NOISE.match(line))
        found.append(_finding("rspamd", f"rspamd can't read its files: {said or 'it does not say why'}"))
    if (folder / ONLY_SIGN).is_file() and (own := _administrators()):
        what = (
            f"rspamd is set up here by hand ({', '.join(own)}), which would be out of force; write only_sign: no to"
            " keep that and have it sign as well, or move the files away"
        )
        found.append(_finding("foreign-rspamd", what))
    return found


def _finding(rule: str, what: str) -> Finding:
    return Finding(rule=rule, where=UNWRITTEN, text=f"dkim: {what}", subject=NAME, lasting=False)


def _administrators() -> list[str]:
    """The files below /etc/rspamd, other than ours, by which an administrator has set it up."""
    root = Path("/etc/rspamd")
    paths = [path for folder in _OWN for path in sorted((root / folder).glob("*"))]
    paths += [root / ONLY_SIGN, root / "rspamd.conf.local"]
    return [str(path) for path in paths if path.is_file() and not (path.is_symlink() and str(path) in PLACES)]


def look(host: Host) -> service.Was:
    """How it is now."""
    return service.look(host, NAME)


def activate(host: Host, folder: Path) -> None:  # noqa: ARG001 - a Program
    """Have it read its files: a running one by SIGHUP, which keeps its sockets; and wait until new workers serve."""
    before, pid = set(processes()), _main()
    if pid and service.look(host, NAME).enabled:
        host.signal(pid, signal.SIGHUP)
    else:
        service.restart(host, NAME)
    deadline = time.monotonic() + PATIENCE
    while (now := set(processes())) and time.monotonic() < deadline:
        if now - before and _milter_answers():
            return
        time.sleep(0.05)


def _main() -> int | None:
    """The main process, when it runs: workers are its children."""
    try:
        pid = int(_PID.read_text())
    except (OSError, ValueError):
        return None
    return pid if pid in processes() else None


def answers(host: Host, folder: Path) -> str:
    """Why it does not sign a message as the files say; empty when it does."""
    try:
        match = _FIRST.search((folder / SIGNING).read_text("utf-8"))
        domain, wanted = match.groups() if match else ("", "")
        socket.create_connection((HOST, MILTER), TIMEOUT).close()
        signed = _signed_with("probe.invalid" if domain == _ALL else domain)
    except ConnectionRefusedError as error:
        if (folder / ONLY_SIGN).is_file() or not _milter_answers():
            return f"{error.strerror}{_last_words(host)}"
        return ""
    except (OSError, ValueError) as error:
        return f"{error}{_last_words(host)}"
    if signed == wanted:
        return ""
    return f'it signs with "{signed}" instead of "{wanted}"' if signed else f"it signs nothing{_last_words(host)}"


def _milter_answers() -> bool:
    try:
        socket.create_connection((HOST, MILTER), TIMEOUT).close()
    except OSError:
        return False
    return True


def _signed_with(domain: str) -> str:
    """The selector that a message of that domain's is signed with; empty when it is not."""
    from http.client import HTTPConnection, HTTPException  # noqa: PLC0415 - only a host that signs asks

    connection = HTTPConnection(HOST, NORMAL, timeout=TIMEOUT)
    try:
        kind = "MIME-Version: 1.0\r\nContent-Type: text/plain"  # rspamd logs it as a fault if a message has none
        message = f"From: probe@{domain}\r\nTo: probe@{domain}\r\nSubject: probe\r\n{kind}\r\n\r\nprobe\r\n"
        connection.connect()
        with cut_after(connection.sock, 2 * TIMEOUT):
            connection.request("POST", "/checkv2", message.encode(), {"IP": "127.0.0.1"})
            symbols = json.loads(connection.getresponse().read(_LONGEST)).get("symbols", {})
    except HTTPException as error:
        raise ValueError(str(error)) from error
    finally:
        connection.close()
    told = symbols.get("DKIM_SIGNED", {}).get("options", [""])[0]
    return str(told.rpartition("s=")[2])


def processes() -> list[int]:
    """Its processes."""
    return service.processes(NAME)


def stop(host: Host) -> None:
    """Stop it."""
    service.stop(host, NAME)


def leave(host: Host, was: service.Was) -> None:
    """Make of it, stopped, what it was before it was managed."""
    service.leave(host, NAME, was)


def _last_words(host: Host) -> str:
    """What it said last of what went wrong; its workers only speak of clients and messages."""
    said = service.last_words(host, NAME)
    if not said and _LOG.is_file():
        lines = [line for line in split_lines(_LOG.read_text("utf-8", "replace"))[-100:] if "(main) " in line]
        said = next((line.rpartition("; ")[2] for line in reversed(lines) if "rror" in line or "cannot" in line), "")
    return f"; it says: {said}" if said else ""
