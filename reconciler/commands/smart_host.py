"""``reconciler smart-host``."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.commands.commit import commit, proposed_by_caller
from reconciler.desired import edits
from reconciler.features.smart_host import PRESETS
from reconciler.model import File
from reconciler.model.ascii_text import SPACE
from reconciler.passes.propose import propose
from reconciler.repository import secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.commands.console import Context
    from reconciler.model import Tree


@click.group("smart-host")
def smart_host_group() -> None:
    """Turn the smart host on or off by a commit.

    With a smart host, all outbound mail goes through one next hop.
    """


@smart_host_group.command("set")
@click.argument("nexthop", required=False)
@click.option("--preset", type=click.Choice([*PRESETS]), help="A provider that reconciler knows, instead of NEXTHOP.")
@click.option("--username", help="Log in with this name; asks for the password without echo.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.pass_obj
def smart_host_set(
    context: Context, nexthop: str | None, preset: str | None, username: str | None, *, password_stdin: bool
) -> None:
    r"""Send all outbound mail through NEXTHOP.

    Without --username, Postfix does not log in. The password is committed with the setting, encrypted to the hosts in
    secrets/recipients. An empty answer keeps the one that is there; off a terminal, it stays without being asked for.

    \b
    Examples:
      reconciler smart-host set '[mail.relay.com]:587' --username someuser
      reconciler smart-host set --preset mailchannels --username someuser
      pass show relay | reconciler smart-host set '[mail.relay.com]:587' --username someuser --password-stdin
      reconciler smart-host set '[10.0.0.5]'
    """
    if bool(preset) == bool(nexthop and nexthop.strip(SPACE)):
        raise click.UsageError("expected NEXTHOP, as HOST, [HOST], HOST:PORT or [HOST]:PORT, or --preset")
    if username is not None and not username.strip(SPACE):
        raise click.UsageError("--username needs a name; omit the option for no login")
    if password_stdin and not username:
        raise click.UsageError("--password-stdin needs --username")
    where = {"preset": preset} if preset else {"nexthop": str(nexthop)}
    revised = partial(_revised, where=where, username=username, password=_password(username, piped=password_stdin))
    login = f" as {username}" if username else ""
    commit(context, partial(propose, proposed_by_caller(f"Send mail through {preset or nexthop}{login}", revised)))


def _password(username: str | None, *, piped: bool) -> str:
    """Return the new password; empty if there is to be none, or if the old one stays."""
    if piped:
        return _not_empty(sys.stdin.readline().rstrip("\r\n"))
    if username and sys.stdin.isatty():
        answer: str = click.prompt(
            "password", default="", hide_input=True, confirmation_prompt=True, show_default=False
        )
        return answer
    return ""


def _not_empty(password: str) -> str:
    if not password:
        raise click.UsageError("standard input holds no password")
    return password


def _revised(files: Tree, host: str, where: Mapping[str, str], username: str | None, password: str) -> dict[str, bytes]:
    """Return the files that the commit changes; the password is sealed to the recipients that the commit has."""
    sealed = {f"secrets/{edits.SECRET}.age": _sealed(files, password)} if password else {}
    with_it = {**files, **{path: File.of(content) for path, content in sealed.items()}}
    return {**edits.set_smart_host(with_it, host, where, username), **sealed}


def _sealed(files: Tree, password: str) -> bytes:
    listed = files[secrets.RECIPIENTS].read() if secrets.RECIPIENTS in files else b""
    recipients, findings = secrets.read_recipients(listed.decode("utf-8", "replace"))
    if findings or not recipients:
        why = str(findings[0]) if findings else f"{secrets.RECIPIENTS} names no recipient"
        raise edits.CannotRevise(f"the password can't be sealed: {why}")
    return secrets.encrypt(password, recipients)


@smart_host_group.command("off")
@click.pass_obj
def smart_host_off(context: Context) -> None:
    """Send outbound mail directly.

    Removes the smart host.
    """
    commit(context, partial(propose, proposed_by_caller("Send mail without a smart host", edits.drop_smart_host)))
