"""``reconciler set``, ``smart-host`` and ``site``: a commit on the branch, made on the host by whoever asks.

The commit is checked first, exactly as a push would be, and then goes live like one: through the daemon if one runs,
else by a pass of our own. Nothing is committed when nothing would change. Exit status: as `once` does, 1 for a change
that is refused, 64 for wrong usage.
"""

from __future__ import annotations

import re
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from reconciler import amend, passes, revise
from reconciler.console import Context, finish, say, say_all, who
from reconciler.control import ask
from reconciler.errors import Unavailable, WithFindings
from reconciler.phase import Wake
from reconciler.propose import Nothing, Proposal, Proposed, propose
from reconciler.reconcile import Memory
from reconciler.removal import domains_in, removal, site_named, sites_of
from reconciler.removals import remove
from reconciler.report import EXIT, finding_lines, plan_lines
from reconciler.syntax import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.apply import Edges
    from reconciler.model import Contribution, Facts, Revision, Tree

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_FOLLOW = 120.0
_STATUSES = {kind.__name__.lower(): status for kind, status in EXIT.items()}


@click.command("set")
@click.argument("name")
@click.argument("value", required=False)
@click.option("--default", "unset", is_flag=True, help="Take the parameter out of `parameters:` again.")
@click.pass_obj
def set_command(context: Context, name: str, value: str | None, *, unset: bool) -> None:
    r"""Set a parameter under `parameters:` by a commit on the branch, which then goes live as a push does.

    The value goes where it is written now, hosts/HOST.yaml or mail.yaml; comments and layout stay. What a push would be
    refused for is refused here, and no commit is made; nor is one when nothing would change.

    \b
    Examples:
      reconciler set smtpd_banner '$myhostname ESMTP'
      reconciler set transport_maps table:routes
      reconciler set message_size_limit 52428800
      reconciler set message_size_limit --default
      reconciler set some_parameter -- -1          a value that begins with a dash
    """
    if not _NAME.fullmatch(name):
        hint = f"; write it as two words: {name.replace('=', ' ', 1)}" if "=" in name else ""
        raise click.UsageError(f'a parameter\'s name is of letters, digits, "_", "-" and ".", got "{name}"{hint}')
    if unset == (value is not None):
        raise click.UsageError("a VALUE or --default, and not both")
    if value is None:
        proposal = _proposal(f"Unset {name}", partial(revise.unset_parameter, name=name))
    else:
        value = value.strip()
        if not amend.scalars(value):
            raise click.UsageError("a value is one line of printable text; a longer one is for mail.yaml and a push")
        told = f"Set {name} to {one_line(value)}" if value else f"Set {name} to nothing"
        revised = partial(revise.set_parameter, name=name, value=value)
        proposal = _proposal(told, revised, partial(_holds, name, value))
    commit(context, partial(propose, proposal))


def _holds(name: str, value: str, merged: Contribution, facts: Facts) -> bool:
    """Whether the parameter has that value already, whoever gave it."""
    written = merged.parameters.get(name)
    now = written.value if written else facts.parameters.get(name)
    return now is not None and one_line(now) == one_line(value)


@click.group("smart-host")
def smart_host_group() -> None:
    """Send all outbound mail through one next hop, or directly again; each is a commit on the branch."""


@smart_host_group.command("set")
@click.argument("nexthop")
@click.option("--username", help="Log in with that name, and the password in secrets/smart_host.age.")
@click.pass_obj
def smart_host_set(context: Context, nexthop: str, username: str | None) -> None:
    r"""Send all outbound mail through NEXTHOP; without --username, without a login.

    The password is a secret of the repository: first, in a clone, `reconciler secret set smart_host`; commit and push.

    \b
    Examples:
      reconciler smart-host set '[mail.relay.com]:587' --username someuser
      reconciler smart-host set '[10.0.0.5]'
    """
    if not nexthop.strip():
        raise click.UsageError("a NEXTHOP is HOST, [HOST], HOST:PORT or [HOST]:PORT; `smart-host off` for none")
    if username is not None and not username.strip():
        raise click.UsageError("--username needs a name; without a login, leave it out")

    revised = partial(revise.set_smart_host, nexthop=nexthop, username=username)
    login = f" as {username}" if username else ""
    commit(context, partial(propose, _proposal(f"Send mail through {nexthop}{login}", revised)))


@smart_host_group.command("off")
@click.pass_obj
def smart_host_off(context: Context) -> None:
    """Send outbound mail directly to its destinations again."""
    commit(context, partial(propose, _proposal("Send mail without a smart host", revise.drop_smart_host)))


@click.group("site")
def site_group() -> None:
    """Sites and what belongs to them: sites/siteNN/, master.d/siteNN-*.cf and their rows in tables."""


@site_group.command("list")
@click.pass_obj
def site_list(context: Context) -> None:
    """Name the sites on the branch, with their domains and where their mail leaves from."""
    for site, said in sites_of(_tip(context.edges())).items():
        delivery = said.get("delivery")
        address = delivery.get("address") if isinstance(delivery, dict) else None
        leaves = f"   from {', '.join(address) if isinstance(address, list) else address}" if address else ""
        say(f"{site}   {', '.join(sorted(domains_in(said))) or '-'}{leaves}")


@site_group.command("remove")
@click.argument("site", metavar="siteNN")
@click.option("--plan", is_flag=True, help="Show what would go, and touch nothing.")
@click.pass_obj
def site_remove(context: Context, site: str, *, plan: bool) -> None:
    r"""Remove all that belongs to a site by a commit on the branch, which then goes live as a push does.

    Its files go, and the rows of tables/ that name its transports or its domains; `git revert` brings all of it back.

    \b
    Exit status: with --plan 0 nothing, 2 something would go; else as `once`
    Examples:
      reconciler site remove site12 --plan
      reconciler site remove site12
    """
    name = site_named(site)
    if name is None:
        raise click.UsageError(f'a site is siteNN, such as site12, got "{site}"')
    if plan:
        going = list(removal(_tip(context.edges()), name).lines)
        say_all(f"  {line}" for line in going)
        sys.exit(2 if going else 0)
    commit(context, partial(remove, name, who()))


def _tip(edges: Edges) -> Tree:
    tip = edges.repo.tip()
    if tip is None:
        raise Unavailable(f"repository {edges.repo.path}: there is no branch {edges.repo.branch}")
    return edges.repo.read(tip)


# ---- the commit, and how it fares ------------------------------------------------------------------------------------


def _proposal(subject: str, revised: Any, settled: Any = lambda _merged, _facts: False) -> Proposal:  # noqa: ANN401
    return Proposal(subject=subject, author=who(), revise=revised, settled=settled)


def commit(context: Context, make: Callable[[Edges], Proposed | Nothing], told: Sequence[str] = ()) -> None:
    """Make the commit, and say how it went; *told* is what to do now that it is made."""
    edges = context.permitted()
    try:
        proposed = make(edges)
    except WithFindings as error:
        say_all(finding_lines(error.findings))
        say("refused, no commit was made", err=True)
        sys.exit(1)
    if isinstance(proposed, Nothing):
        say("nothing would change: no commit was made")
        say_all(f"  {override}" for override in proposed.because)
        return
    _tell(proposed, edges)
    say_all(told)
    _bring(context, proposed.revision, edges)


def _tell(proposed: Proposed, edges: Edges) -> None:
    revision = proposed.revision
    say(f"{edges.settings.host}   {revision.short}  {revision.subject}\n")
    say_all(plan_lines(proposed.plan))
    say_all(finding_lines(proposed.findings))
    say_all(f"  {override}" for override in proposed.overrides)
    say(f"\ncommitted to {edges.repo.branch}, in {proposed.where}")


def _bring(context: Context, revision: Revision, edges: Edges) -> None:
    """Follow the daemon's pass, as after a push; make one where no daemon runs."""
    try:
        for message in ask(context.settings.socket, {"do": "follow", "revision": revision.oid}, _FOLLOW):
            if "line" in message:
                say(message["line"])
            elif "done" in message:
                sys.exit(_STATUSES.get(message["done"]["status"], _STATUSES["postponed"]))
    except Unavailable:
        finish(context, edges, passes.one_pass(edges, Memory(), Wake.OPERATOR))
