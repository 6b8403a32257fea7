"""Tell what speaks against a commit, in its verification or on probation, from what a trouble of this host explains.

A server of passwords that ends, or a file that vanishes, stops each process that starts from then on, whatever commit
is live. The log then says the same as if the commit were at fault. Such a line does not condemn the commit if the
trouble is just as true of the files to go back to: going back could not end it, and would restart what still works.
Any other line counts. So does each line if only the commit has the setting that fails.

Raises nothing: files that can't be judged have no trouble.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from reconciler.desired.budget import Budget
from reconciler.desired.lint import identities, identity, lint
from reconciler.model import MASTER, errors_in
from reconciler.model.errors import ReconcilerError
from reconciler.passes.understand import as_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reconciler.apply.edges import Edges
    from reconciler.model import Finding, Tree
    from reconciler.state.manifest import Generation

_OF_HOST = "a trouble of this host causes it, before this commit as well"
_LOGGED = "fatal-in-log"  # the rule of a line that Postfix logged since the activation
_DIES = "smtpd: bad command startup"
_WORDS = {
    "silent-server": ("SASL",),
    "missing-file": ("TLS", "server certs", "chain file", "PEM data", "private key"),
    "key-mismatch": ("TLS", "server certs", "chain file", "private key"),
    "unreadable-certificate": ("TLS", "server certs", "chain file", "PEM data", "private key"),
}
"""What smtpd logs about an error that acts at its start, by the rule of the error."""


def shared_troubles(back: Tree, edges: Edges) -> list[Finding]:
    """Return the errors acting when a process starts that are true of what is live, and just as true of *back*."""
    known = identities(_found(edges, None))
    return [one for one in errors_in(_found(edges, back)) if one.starts and identity(one) in known]


def of_the_commit(findings: Iterable[Finding], troubles: Iterable[Finding]) -> list[Finding]:
    """Return the findings that none of the troubles explains."""
    known = list(troubles)
    return [one for one in findings if not any(_explains(trouble, one.subject, one.text) for trouble in known)]


def excused(
    findings: list[Finding], before: Generation | None, allow: Callable[[list[Finding]], list[Finding]], edges: Edges
) -> list[Finding]:
    """Return what a verification found as the commit allows it; a logged error that a shared trouble explains warns.

    *before* was live before the activation.
    """
    found = allow(findings)
    logged = [one for one in errors_in(found) if one.rule == _LOGGED]
    troubles = shared_troubles(before.owned(), edges) if before and logged else []
    blamed = of_the_commit(logged, troubles)
    return [one.as_warning(_OF_HOST) if one in logged and one not in blamed else one for one in found]


def _explains(trouble: Finding, program: str, text: str) -> bool:
    """Return whether the trouble explains what that program logged."""
    words = {"smtpd": _WORDS.get(trouble.rule, ()), "master": (_DIES,) if trouble.starts - {MASTER} else ()}
    named = "/" in trouble.subject or "." in trouble.subject  # a file, a socket or an address
    return (named and trouble.subject in text) or any(word in text for word in words.get(program, ()))


def _found(edges: Edges, tree: Tree | None) -> list[Finding]:
    try:
        return lint(*as_found(edges, tree), Budget(time.thread_time))
    except (ReconcilerError, OSError, ValueError):
        return []
