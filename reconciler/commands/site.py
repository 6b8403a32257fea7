"""``reconciler site``."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.commands.commit import commit
from reconciler.commands.console import Context, say, say_all, who
from reconciler.desired.site_removal import domains_in, removal, site_named, sites_of
from reconciler.features.site_files import site_of
from reconciler.model import did_you_mean
from reconciler.model.errors import ReconcilerError
from reconciler.passes.site_requests import remove

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Tree


class NoSite(ReconcilerError):  # noqa: N818 - as in errors.py
    """The operator named a site that has no files on the branch."""


@click.group("site")
def site_group() -> None:
    """List and remove sites.

    A site owns sites/siteNN/, master.d/siteNN-*.cf and its rows in tables.
    """


@site_group.command("list")
@click.pass_obj
def site_list(context: Context) -> None:
    """List the sites on the branch.

    Shows the domains of each site, and the address that its mail leaves from.
    """
    for site, said in sites_of(_tip(context.edges())).items():
        delivery = said.get("delivery")
        address = delivery.get("address") if isinstance(delivery, dict) else None
        leaves = f"   from {', '.join(address) if isinstance(address, list) else address}" if address else ""
        say(f"{site}   {', '.join(sorted(domains_in(said))) or '-'}{leaves}")


@site_group.command("remove")
@click.argument("site", metavar="siteNN")
@click.option("--plan", is_flag=True, help="Show what would be removed, and change nothing.")
@click.pass_obj
def site_remove(context: Context, site: str, *, plan: bool) -> None:
    r"""Remove a site by a commit.

    Removes its files, and the rows of tables/ that name its transports or its domains. The commit then goes live like
    a push; `git revert` restores everything.

    Exit status: 1 no such site; with --plan 2 something to remove; else as for `once`.

    \b
    Examples:
      reconciler site remove site12 --plan
      reconciler site remove site12
    """
    name = site_named(site)
    if name is None:
        raise click.UsageError(f'expected siteNN, such as site12, got "{site}"')
    files = _tip(context.edges())
    if name not in map(site_of, files):
        hint = did_you_mean(name, sites_of(files)) or "; `reconciler site list` lists the sites"
        raise NoSite(f"there is no {name} on the branch{hint}")
    if plan:
        going = list(removal(files, name).lines)
        say_all(f"  {line}" for line in going)
        sys.exit(2 if going else 0)
    commit(context, partial(remove, name, who()))


def _tip(edges: Edges) -> Tree:
    return edges.repo.read(edges.repo.required_tip())
