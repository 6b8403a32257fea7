"""Test whether tables on servers answer a look-up now: LDAP, SQL, memcache, socketmap and TCP, through postmap(1).

Promises: ask() takes no longer than TIMEOUT, and asks as the user that will ask. Of what a program says, nothing is
quoted: it may hold lines of a file that the author of a commit may not read. Raises nothing.

Known limits: a configuration file that only root may read is read by root, as smtpd(8) does before it gives up its
rights; a server may then refuse what it grants to Postfix, so a failure is unknown. A table that does not know the
domain of the key may answer without its server.
"""

from __future__ import annotations

import os
import pwd
import re
from functools import partial
from typing import TYPE_CHECKING

from reconciler.host import accesses
from reconciler.host.programs import postfix
from reconciler.host.together import together
from reconciler.model import Access, AccessKind
from reconciler.model.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from reconciler.host.effects import Host
    from reconciler.model import Lookup

TIMEOUT = 2.0
SLOW = f"no answer within {TIMEOUT:g} s"
_FAILED = re.compile(r"^postmap: (?:fatal|error|panic): ", re.MULTILINE)
_UNKNOWN_TYPE = re.compile("unsupported dictionary type")
_REASONS = (
    (re.compile("Connection refused|[Cc]an.?t con(?:nect|tact)|could not connect|Unable to (?:bind|connect)|"
                r": No such file or directory$", re.MULTILINE), "no server answers"),
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
    readable = Access(name, lookup.user, AccessKind.READ)
    is_readable = not name.startswith("/") or accesses.ask([readable])[readable] == ""
    owner = None
    if os.geteuid() == 0 and is_readable:
        try:
            entry = pwd.getpwnam(lookup.user)
        except KeyError:
            return None
        owner = (entry.pw_uid, entry.pw_gid)
    argv = ("postmap", "-c", str(directory), "-q", lookup.key, f"{kind}:{name}")
    try:
        done = host.run(argv, timeout=TIMEOUT, owner=owner)
    except CommandFailed:
        return SLOW
    except OSError:
        return None
    reason = reason_of(done.stderr)
    return reason if is_readable or not reason else None


def reason_of(text: str) -> str | None:
    """Return in words of our own why postmap failed; empty if it did not, None for a type that is not installed."""
    if not _FAILED.search(text):
        return ""
    if _UNKNOWN_TYPE.search(text):
        return None
    return next((words for pattern, words in _REASONS if pattern.search(text)), "the query fails")
