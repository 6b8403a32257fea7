"""Test whether tables on servers answer a look-up now: LDAP, SQL, memcache, socketmap and TCP, through postmap(1).

Promises: ask() takes no longer than TIMEOUT, and asks as the user that will ask. Of what a program says, nothing is
quoted: it may hold lines of a file that the author of a commit may not read. Raises nothing.

Known limits: a configuration file that Postfix's own user may not read, or that another user than root may change, is
not tried: the look-up would be made before anybody has judged the commit. A table that does not know the domain of the
key may answer without its server.
"""

from __future__ import annotations

import os
import pwd
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host import accesses, reachable
from reconciler.host.ownership import is_of_others
from reconciler.host.programs import postfix
from reconciler.host.together import together
from reconciler.model import Access, AccessKind, Server
from reconciler.model.ascii_text import is_digits
from reconciler.model.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.host.effects import Host
    from reconciler.model import Lookup

TIMEOUT = 2.0
NOBODY = "no server answers"
SLOW = f"no answer within {TIMEOUT:g} s"
_FAILED = re.compile(r"^postmap: (?:fatal|error|panic): ", re.MULTILINE)
_UNKNOWN_TYPE = re.compile("unsupported dictionary type")
_REASONS = (
    (re.compile("Connection refused|[Cc]an.?t con(?:nect|tact)|could not connect|Unable to (?:bind|connect)|"
                r": No such file or directory$", re.MULTILINE), NOBODY),
    (re.compile("Access denied|authentication failed|Invalid credentials|[Pp]ermission denied"), "access is denied"),
    (re.compile(r"missing '='|no such (?:table|column)|doesn.?t exist|syntax error|bad (?:numerical|boolean) "),
     "the query or its file is wrong"),
)  # fmt: skip


def ask(host: Host, lookups: Collection[Lookup]) -> dict[Lookup, str | None]:
    """Return why each look-up fails, empty for those that are answered; None if it is unknown."""
    answers: dict[Lookup, str | None] = dict.fromkeys(lookups)
    if not lookups:
        return answers
    with postfix.scratch() as directory:
        for path in (directory, *directory.iterdir()):
            path.chmod(0o755 if path == directory else 0o644)  # whatever the umask is, the user reads it
        calls = {lookup: partial(_one, host, lookup, directory) for lookup in lookups}
        return dict.fromkeys(lookups, SLOW) | together(calls, TIMEOUT)


def _one(host: Host, lookup: Lookup, directory: Path) -> str | None:
    kind, _, name = lookup.table.partition(":")
    if kind == "tcp" and _is_down(name):
        return NOBODY  # postmap would try again and again
    if name.startswith("/") and not _is_trusted(name, lookup.user):
        return None
    try:
        entry = pwd.getpwnam(lookup.user)
        owner = (entry.pw_uid, entry.pw_gid) if os.geteuid() == 0 else None
        argv = ("postmap", "-c", str(directory), "-q", lookup.key, lookup.table)
        return reason_of(host.run(argv, timeout=TIMEOUT, owner=owner).stderr)
    except CommandFailed:
        return SLOW
    except (KeyError, OSError):
        return None


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
