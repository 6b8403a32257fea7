"""``reconciler dkim``: new keys for signing mail, and rolling them; each step is a commit, made as `set` makes one.

A private key is made here and encrypted to secrets/recipients; the repository has no other copy. Exit status: as for
`once`; 1 for a step that is refused or too early, 64 for wrong usage.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.commands.commit import commit
from reconciler.commands.console import Context, say, say_all, who
from reconciler.commands.dkim_records import dkim_records
from reconciler.desired import edits
from reconciler.features.dkim import rolling
from reconciler.features.dkim import section as feature
from reconciler.host.pem import new_key, public_half
from reconciler.passes.operator import NotPossible
from reconciler.passes.propose import Proposal, propose
from reconciler.passes.understand import understand
from reconciler.repository import secrets
from reconciler.repository.secrets import RECIPIENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.apply.edges import Edges
    from reconciler.features.dkim.section import Schema
    from reconciler.model import Desired, Tree

now_option = click.option("--now", "hurry", is_flag=True, help="Do this step before its waiting time is over.")


@click.group("dkim")
def dkim_group() -> None:
    """Make and roll the keys that sign mail.

    Each step is a commit on the branch.
    """


@dkim_group.command("new")
@click.argument("selector")
@click.pass_obj
def new_command(context: Context, selector: str) -> None:
    r"""Make a key pair, and print its DNS record.

    Publish the record first; then `dkim roll` signs mail with the key.

    \b
    Examples:
      reconciler dkim new s2026
      reconciler dkim roll           when the record is published and the waiting time is over
    """
    try:
        selector = feature.selector(selector)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    edges = context.permitted()
    section, _ = _read(edges)
    name, pem, now = f"dkim-{selector}", new_key(), datetime.now(UTC)
    values = rolling.begin(section, selector, name, now)

    def revised(files: Tree, host: str) -> Mapping[str, bytes]:
        path = f"secrets/{name}.age"
        if path in files:
            raise NotPossible(f"{path} exists already; choose another selector")
        text = _recipients(files, edges)
        sealed = {RECIPIENTS: text.encode(), path: _sealed(text, pem)}
        return {**sealed, **edits.set_values(files, host, feature.SECTION, values)}

    record = feature.record(public_half(pem))
    told = ["", "publish this record, then run `reconciler dkim roll`:", *_zone_lines(section, selector, record)]
    proposal = Proposal(f"Publish DKIM key {selector}", who(), revised, everywhere=True)
    commit(context, partial(propose, proposal), told)


def _recipients(files: Tree, edges: Edges) -> str:
    """Return the recipients of secrets: those that the repository lists, else only this host."""
    return (
        files[RECIPIENTS].read().decode() if RECIPIENTS in files else f"{secrets.recipient(edges.settings.identity)}\n"
    )


def _sealed(text: str, pem: str) -> bytes:
    recipients, findings = secrets.read_recipients(text)
    if findings or not recipients:
        raise NotPossible(str(findings[0]) if findings else f"{RECIPIENTS}: no recipient to encrypt to")
    return secrets.encrypt(pem, recipients)


@dkim_group.command("roll")
@now_option
@click.pass_obj
def roll_command(context: Context, *, hurry: bool) -> None:
    """Sign mail with the key from `dkim new`.

    Keep the record of the previous key in DNS for seven days.
    """
    _step(context, "Sign mail with DKIM key {}", lambda section, now: rolling.switch(section, now, hurry=hurry))


@dkim_group.command("expire")
@now_option
@click.pass_obj
def expire_command(context: Context, *, hurry: bool) -> None:
    """Remove the previous key.

    This is possible when no mail that it signed can be in transit. Then remove its record from DNS too.
    """
    _step(context, "Remove the previous DKIM key", lambda section, now: rolling.expire(section, now, hurry=hurry))


def _step(context: Context, subject: str, step: Callable[[Schema, datetime], rolling.Values]) -> None:
    edges = context.permitted()
    section, _ = _read(edges)
    if section is None:
        raise NotPossible("there is no dkim section; `reconciler dkim new SELECTOR` adds one")
    values = step(section, datetime.now(UTC))
    old = section.previous.key.name if section.previous and "previous" in values else ""

    def revised(files: Tree, host: str) -> Mapping[str, bytes]:
        return edits.set_values(files, host, feature.SECTION, values)

    told = [f"\nsecrets/{old}.age is no longer used: remove it in a clone, and its record from DNS"] if old else []
    proposal = Proposal(subject.format(values.get("selector")), who(), revised, everywhere=True)
    commit(context, partial(propose, proposal), told)


@dkim_group.command("status")
@click.option("--json", "json_output", is_flag=True, help="Machine-readable output, stable.")
@click.pass_obj
def status_command(context: Context, *, json_output: bool) -> None:
    """Show the state of each key, and its DNS record."""
    section, desired = _read(context.permitted())
    if section is None or not section.enabled:
        say("mail is not signed: there is no dkim section, or it is not enabled")
        return
    records, shown = dkim_records(desired), rolling.standings(section, datetime.now(UTC))
    if json_output:
        told = [{**one.data, "record": records.get(one.selector)} for one in shown]
        click.echo(json.dumps({"domains": list(section.domains), "keys": told}))
        return
    for one in shown:
        say(str(one))
        say_all(_zone_lines(section, one.selector, records.get(one.selector, "(its secret can't be read)")))


def _zone_lines(section: Schema | None, selector: str, record: str) -> list[str]:
    """Return the record below each domain of the section, or below the placeholder DOMAIN."""
    domains = [f"{name}." for name in section.domains] if section and section.domains else ["DOMAIN."]
    return [f"  {selector}._domainkey.{domain} IN TXT {record}" for domain in domains]


def _read(edges: Edges) -> tuple[Schema | None, Desired]:
    """Return the dkim section of the branch's tip, and the whole desired state."""
    desired, _, _ = understand(edges.repo.required_tip(), edges)
    return desired.section(feature.Schema), desired
