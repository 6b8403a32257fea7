"""``reconciler fetch``: for a hook of the forge that calls it over ssh, and for an operator who does not want to wait.

A running daemon fetches, so the caller needs no more rights than to ask for a check; without a daemon, root does it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from reconciler.commands.console import Context, say
from reconciler.commands.exit_status import REFUSED, TEMPORARY
from reconciler.commands.follow import follow
from reconciler.commands.options import pass_context
from reconciler.daemon.control import ask
from reconciler.model.errors import BadSettings, NoDaemon, Unavailable

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges

_FETCH = 620.0
"""Seconds to wait for a fetch, which may have to wait for another one."""
_REWRITTEN = "--accept-rewrite"


@click.command("fetch")
@click.option(_REWRITTEN, "accept", is_flag=True, help="Follow the branch although its history was rewritten.")
@pass_context
def fetch_command(context: Context, *, accept: bool) -> None:
    r"""Fetch the branch from the remote now.

    For a host that follows a remote (`repository.url` in the settings). Shows how the newest commit went live, as a
    push to the host does. The daemon also fetches by itself, regularly.

    \b
    Examples:
      reconciler fetch
      ssh mx1.example.com reconciler fetch         in a hook of the forge, after a push
      reconciler fetch --accept-rewrite            after the branch was rewritten on purpose

    Exit status: as for `once`; 1 also for a rewritten history that was not accepted, 75 also for a remote that can't be
    fetched, 0 also if no daemon runs that would apply the commit.
    """
    if context.settings.url is None:
        raise BadSettings("this host follows no remote: repository.url is not in the settings")
    result = None if accept else _by_daemon(context)
    if result is None:
        result = _here(context, accept=accept)
    if result["problem"]:
        say(f"{context.settings.url}: {result['problem']}", err=True)
        say(f"next: {result['next']}", err=True)
        sys.exit(REFUSED if _REWRITTEN in result["next"] else TEMPORARY)
    say(f"fetched {context.settings.url}: {context.settings.branch} is at {result['revision'][:7]}")
    _follow(context, result["revision"])


def _by_daemon(context: Context) -> dict[str, Any] | None:
    """Have the daemon fetch, and return the result; None if no daemon runs."""
    try:
        messages = list(ask(context.settings.socket, {"do": "fetch"}, _FETCH))
    except NoDaemon:
        return None
    return dict(messages[-1]["done"])


def _here(context: Context, *, accept: bool) -> dict[str, Any]:
    """Fetch in this process, and return the result."""
    from reconciler.passes.fetch import ACCEPT, AGAIN, fetch, rewritten  # noqa: PLC0415 - a daemon has these

    edges = context.permitted()
    _make_identity(edges)
    try:
        fetched = fetch(edges, accept_rewrite=accept)
    except Unavailable as error:
        return {"revision": "", "problem": str(error), "next": getattr(error, "advice", AGAIN)}
    problem = rewritten(fetched, edges) if fetched.rewritten else ""
    return {"revision": fetched.after, "problem": problem, "next": ACCEPT}


def _make_identity(edges: Edges) -> None:
    """Make this host's private key if there is none, because nobody runs `reconciler init` here."""
    from reconciler.repository import secrets  # noqa: PLC0415 - as above

    if not edges.settings.identity.exists():
        public = secrets.new_identity(edges.settings.identity)
        say(f"made {edges.settings.identity}, which opens secrets; add its public key to secrets/recipients: {public}")


def _follow(context: Context, revision: str) -> NoReturn:
    try:
        follow(context, revision)
    except NoDaemon:
        say("no daemon runs: see `reconciler plan`, then `reconciler once`")
        sys.exit(0)
