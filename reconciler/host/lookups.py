"""Test whether tables on servers answer a look-up now: LDAP, SQL, memcache, socketmap and TCP, through postmap(1).

Promises: ask() takes no longer than TIMEOUT, and asks as the user that will ask. Of what a program says, nothing is
quoted: it may hold lines of a file that the author of a commit may not read. Of that file, only the addresses of its
servers are told. A client that runs in a chroot needs its socket there. Raises nothing.

A table that the commit describes is asked by that description, in a file that only root and that user can read.

Known limits: postmap itself runs outside of the chroot, so that only the socket is looked for there. A configuration
file that Postfix's own user may not read, or that another user than root may change, is not tried: the look-up would be
made before anybody has judged the commit. A table that does not know the domain of the key may answer without its
server. A database of SQLite that Postfix's own user can't open is not judged, because most programs open it as root.
"""

from __future__ import annotations

import os
import pwd
import re
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host import accesses, reachable
from reconciler.host.ownership import is_of_others
from reconciler.host.programs import postconf
from reconciler.host.together import together
from reconciler.model import Access, AccessKind, Server
from reconciler.model.ascii_text import is_digits
from reconciler.model.errors import CommandFailed
from reconciler.postfix.databases import DatabaseServers, servers

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.host.effects import Host
    from reconciler.model import Lookup

TIMEOUT = 2.0
NOBODY = "no server answers"
DENIED, WRONG = "access is denied", "the query or its file is wrong"
SLOW = f"no answer within {TIMEOUT:g} s"
_FAILED = re.compile(r"^postmap: (?:fatal|error|panic): ", re.MULTILINE)
_UNKNOWN_TYPE = re.compile("unsupported dictionary type")
# The first one that is found counts; the errno at the end of postmap's last line is often a stale one.
_REASONS = (
    (re.compile("[Uu]nknown (?:server )?host|could not translate host name|Name or service not known"),
     "the name of its server is unknown"),
    (re.compile("Access denied|authentication failed|Invalid credentials|no password supplied|no pg_hba.conf entry|"
                "Inappropriate authentication|Insufficient access|role .* does not exist|is not allowed to connect"),
     DENIED),
    (re.compile("missing '='|no such (?:table|column)|(?:doesn.?t|does not) exist|syntax error|[Uu]nknown (?:column|"
                "database)|No such object|bad (?:numerical|boolean) |[Bb]ad search filter"), WRONG),
    (re.compile("Connection refused|[Cc]an.?t con(?:nect|tact)|could not connect|Unable to (?:bind|connect)|"
                r"No such file or directory", re.MULTILINE), NOBODY),
    (re.compile("[Pp]ermission denied"), DENIED),
)  # fmt: skip
_CLOSED = re.compile("unable to open database file")


def ask(host: Host, lookups: Collection[Lookup]) -> dict[Lookup, str | None]:
    """Return why each look-up fails, empty for those that are answered; None if it is unknown."""
    answers: dict[Lookup, str | None] = dict.fromkeys(lookups)
    if not lookups:
        return answers
    with postconf.scratch() as directory:
        for path in (directory, *directory.iterdir()):
            path.chmod(0o755 if path == directory else 0o644)  # whatever the umask is, the user reads it
        calls = {lookup: partial(_one, host, lookup, directory) for lookup in lookups}
        answers |= dict.fromkeys(lookups, SLOW)
        answers |= together(calls, TIMEOUT)
    return {lookup: _with_servers(lookup, reason) for lookup, reason in answers.items()}


def _with_servers(lookup: Lookup, reason: str | None) -> str | None:
    """Return the reason with the servers that were asked, as the file of the table names them."""
    names = str(_servers(lookup)) if reason else ""
    return f"{reason}: {names}" if names else reason


def _servers(lookup: Lookup) -> DatabaseServers:
    kind, _, name = lookup.table.partition(":")
    if lookup.description:
        return servers(kind, lookup.description.value)
    if not name.startswith("/") or not _is_trusted(name, lookup.user):
        return DatabaseServers()
    try:
        return servers(kind, Path(name).read_text("utf-8", "replace"))
    except OSError:
        return DatabaseServers()


def _one(host: Host, lookup: Lookup, directory: Path) -> str | None:
    kind, _, name = lookup.table.partition(":")
    if kind == "tcp" and _is_down(name):
        return NOBODY  # postmap would try again and again
    if not lookup.description and name.startswith("/") and not _is_trusted(name, lookup.user):
        return None
    try:
        entry = pwd.getpwnam(lookup.user)
        owner = (entry.pw_uid, entry.pw_gid) if os.geteuid() == 0 else None
        table = f"{kind}:{_described(lookup, directory, entry.pw_gid)}" if lookup.description else lookup.table
        argv = ("postmap", "-c", str(directory), "-q", lookup.key, table)
        said = host.run(argv, timeout=TIMEOUT, owner=owner).stderr
        if _CLOSED.search(said):
            return _lost(lookup)
        return reason_of(said) or _outside(lookup)
    except CommandFailed:
        return SLOW
    except (KeyError, OSError):
        return None


def _described(lookup: Lookup, directory: Path, group: int) -> Path:
    """Write the commit's description of a table where only root and a group can read it."""
    value = lookup.description.value if lookup.description else ""
    descriptor, path = tempfile.mkstemp(dir=directory)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(value.encode("utf-8", "surrogateescape"))
        if os.geteuid() == 0:
            os.fchown(descriptor, 0, group)
        os.fchmod(descriptor, 0o640)
    os.utime(path, (time.time() - postconf.AGE,) * 2)  # its readers sleep while it is young
    return Path(path)


def _lost(lookup: Lookup) -> str | None:
    """Return why a database that is a file can't be opened; None if only the user who asked may not."""
    return None if all(map(os.path.exists, _servers(lookup).paths)) else "its file is missing"


def _outside(lookup: Lookup) -> str:
    """Return that a socket can't be reached from the chroot; a database that is a file is opened before."""
    if not lookup.jail or lookup.table.startswith("sqlite:"):
        return ""
    addresses, paths = _servers(lookup)
    is_reached = addresses or not paths or any(Path(f"{lookup.jail}{path}").is_socket() for path in paths)
    return "" if is_reached else f"its socket is not in the chroot {lookup.jail}"


def _is_down(place: str) -> bool:
    """Return whether nothing listens at ``HOST:PORT``."""
    name, _, port = place.rpartition(":")
    server = Server(name, int(port)) if is_digits(port) else None
    return server is not None and bool(reachable.ask([server])[server])


def _is_trusted(path: str, user: str) -> bool:
    """Return whether the user may read a file which only root can change: it says what is asked, and of whom."""
    readable = Access(path, user, AccessKind.READ)
    if accesses.ask([readable])[readable] != "":
        return False
    real = Path(path).resolve()
    return not any(is_of_others(one) for one in (real, *real.parents))


def reason_of(text: str) -> str | None:
    """Return in words of our own why postmap failed; empty if it did not, None for a type that is not installed."""
    if not _FAILED.search(text):
        return ""
    if _UNKNOWN_TYPE.search(text):
        return None
    return next((words for pattern, words in _REASONS if pattern.search(text)), "the query fails")
