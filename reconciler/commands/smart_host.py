"""``reconciler smart-host``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.commands.commit import commit, proposed_by_caller
from reconciler.desired import edits
from reconciler.model.ascii_text import SPACE
from reconciler.passes.propose import propose

if TYPE_CHECKING:
    from reconciler.commands.console import Context


@click.group("smart-host")
def smart_host_group() -> None:
    """Turn the smart host on or off by a commit.

    With a smart host, all outbound mail goes through one next hop.
    """


@smart_host_group.command("set")
@click.argument("nexthop")
@click.option("--username", help="Log in with this name and the password in secrets/smart_host.age.")
@click.pass_obj
def smart_host_set(context: Context, nexthop: str, username: str | None) -> None:
    r"""Send all outbound mail through NEXTHOP.

    Without --username, Postfix does not log in. The password is a secret of the repository: before this command, run
    `reconciler secret set smart_host` in a clone, commit and push.

    \b
    Examples:
      reconciler smart-host set '[mail.relay.com]:587' --username someuser
      reconciler smart-host set '[10.0.0.5]'
    """
    if not nexthop.strip(SPACE):
        raise click.UsageError("expected HOST, [HOST], HOST:PORT or [HOST]:PORT; use `smart-host off` for none")
    if username is not None and not username.strip(SPACE):
        raise click.UsageError("--username needs a name; omit the option for no login")

    revised = partial(edits.set_smart_host, nexthop=nexthop, username=username)
    login = f" as {username}" if username else ""
    commit(context, partial(propose, proposed_by_caller(f"Send mail through {nexthop}{login}", revised)))


@smart_host_group.command("off")
@click.pass_obj
def smart_host_off(context: Context) -> None:
    """Send outbound mail directly.

    Removes the smart host.
    """
    commit(context, partial(propose, proposed_by_caller("Send mail without a smart host", edits.drop_smart_host)))
