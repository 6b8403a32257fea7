"""The commands for a clone of the desired state: secrets, which need neither root nor a host."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from reconciler.commands.console import say, say_all
from reconciler.passes.operator import NotPossible
from reconciler.repository import secrets
from reconciler.trees.report import finding_lines


@click.group("secret")
def secret_group() -> None:
    """Keep passwords in the repository, encrypted to the hosts that need them. Run in a clone."""


@secret_group.command("set")
@click.argument("name")
def secret_set(name: str) -> None:
    r"""Encrypt a secret to each of secrets/recipients; reads it from a pipe, or asks without echo.

    \b
    Examples:
      reconciler secret set smart_host
      pass show relay | reconciler secret set smart_host
    """
    folder = _clone() / "secrets"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise click.UsageError(f'a secret\'s name is of letters, digits, "_", "-" and ".", got "{name}"')
    recipients, findings = (
        secrets.read_recipients((folder / "recipients").read_text()) if (folder / "recipients").is_file() else ([], [])
    )
    if findings:
        say_all(finding_lines(findings))
        sys.exit(1)
    if not recipients:
        raise NotPossible("secrets/recipients: no recipient to encrypt to; `age-keygen -y IDENTITY` prints a host's")
    piped = not sys.stdin.isatty()
    value = (
        sys.stdin.read().removesuffix("\n")
        if piped
        else click.prompt("secret", hide_input=True, confirmation_prompt=True)
    )
    if not value:
        raise NotPossible("an empty secret is no secret; nothing was written")
    target = folder / f"{name}.age"
    target.write_bytes(secrets.encrypt(value, recipients))
    say(f"secrets/{name}.age is for {len(recipients)} recipient(s); write `!secret {name}`, commit and push")


@secret_group.command("list")
def secret_list() -> None:
    """Name the secrets of this clone."""
    for path in sorted((_clone() / "secrets").glob("*.age")):
        say(path.stem)


def _clone() -> Path:
    """The top of the clone around the current folder."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "mail.yaml").is_file():
            return folder
    raise NotPossible(f"{here}: not inside a clone of the desired state (no mail.yaml here or above)")
