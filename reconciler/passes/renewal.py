"""Reload Postfix for renewed certificates: it holds keys and certificates in memory until a reload.

Promises: each change of a certificate's bytes causes one reload, whatever program wrote them, and only if the
certificate loads and matches its key; a certificate that does not is recorded once, and Postfix is not reloaded. The
digests of the files in Postfix's memory are in private/certificates.json, so that a renewal without a running daemon
is noticed. Postfix is not reloaded while a service works that its next start would end (passes/next_start.py); the
renewal is not recorded then, so that the next call finds it again.

Raises WouldStop for that, OSError as the kernel gives it, CommandFailed when postconf fails, Unavailable while another
pass has the lock.
Known limit: Postfix replaces its processes over time, and new ones read the files on disk, broken or not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from reconciler.apply.activate import reload
from reconciler.host.certificates import digests, problem
from reconciler.host.programs import postfix
from reconciler.model import Finding, Unchanged, Where
from reconciler.model.phase import Halted, Suspended, Wake
from reconciler.passes.judge import raise_if_reload_stops
from reconciler.passes.loaded import Loaded, record, recorded
from reconciler.passes.placed import at_source
from reconciler.passes.record import Passed, concluded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.apply.edges import Edges
    from reconciler.passes.named_files import Named


def remember(edges: Edges, what: Named) -> None:
    """Record that Postfix has just read these files."""
    record(edges, Loaded(digests(what.files), {}, what.there))


def renew(edges: Edges, what: Named) -> Passed | None:
    """Reload Postfix when the bytes of a file that it read have changed; return None when there was nothing to do."""
    began, now, known = time.monotonic(), digests(what.files), recorded(edges.generations)
    changed = [path for path, digest in now.items() if known.loaded.get(path, digest) != digest]
    if not changed or all(known.told.get(path) == now[path] for path in changed):
        if not known.loaded.keys() >= now.keys() or not known.tables:
            record(edges, Loaded({**now, **known.loaded}, known.told, known.tables or what.there))
        return None
    with edges.generations.locks.state():
        if isinstance(edges.journal.phase(), Suspended | Halted):
            return None
        if postfix.running(edges.postfix()) is None:
            record(edges, Loaded(now, {}, what.there))  # Postfix reads them when it starts
            return None
        broken = [_broken(pair, why) for pair in sorted(what.pairs) if {*pair} & {*changed} and (why := problem(pair))]
        if not broken and not any(now[path] for path in changed):
            return None  # a file that vanished is no reason to start processes, which would miss it
        if broken:
            record(edges, Loaded(known.loaded, now, known.tables))
            passed = _on_record(edges, broken, "not reloaded")
        else:
            raise_if_reload_stops(edges)
            record(edges, Loaded(now, {}, what.there))
            passed = _on_record(edges, reload(edges), f"reloaded for {', '.join(changed)}")
        passed.seconds = time.monotonic() - began
    return passed


def _on_record(edges: Edges, findings: Iterable[Finding], why: str) -> Passed:
    live = edges.generations.live()
    outcome = at_source(Unchanged(tuple(findings)), live, edges)
    passed = Passed(outcome, live.revision if live else "")
    passed.conclusion = concluded(passed.outcome, passed.revision, edges, Wake.CERTIFICATE, why=why)
    edges.journal.conclude(passed.conclusion)
    return passed


def _broken(pair: tuple[str, ...], why: str) -> Finding:
    text = (
        f"{' with '.join(dict.fromkeys(pair))} has changed and can't be used: {why}; Postfix was not reloaded, but"
        " processes that start from now on offer no TLS"
    )
    return Finding(rule="broken-certificate", where=Where(pair[0]), text=text, subject=pair[0], lasting=False)
