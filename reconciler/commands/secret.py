"""``reconciler secret`` works in a clone of the desired state; it needs neither root nor a host."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from reconciler.commands.console import say, say_all
from reconciler.passes.operator import NotPossible
from reconciler.repository import clone, secrets
from reconciler.trees.report import finding_lines

FOLDER = "secrets"


@click.group("secret")
def secret_group() -> None:
    """Manage encrypted secrets in a clone.

    The repository keeps passwords encrypted to the hosts that need them.
    """


@secret_group.command("set")
@click.argument("name")
def secret_set(name: str) -> None:
    r"""Encrypt a secret to all recipients.

    Reads the secret from a pipe, or prompts for it without echo. The recipients are in secrets/recipients.

    \b
    Examples:
      reconciler secret set smart_host
      pass show relay | reconciler secret set smart_host
    """
    top = _clone()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise click.UsageError(f'a secret\'s name has only letters, digits, "_", "-" and ".", got "{name}"')
    recipients, findings = secrets.read_recipients((_read(top) or b"").decode("utf-8", "replace"))
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
        raise NotPossible("the secret is empty; nothing was written")
    try:
        clone.write(top, FOLDER, f"{name}.age", secrets.encrypt(value, recipients))
    except OSError as error:
        raise NotPossible(f"{FOLDER}/{name}.age can't be written: {error.strerror}") from error
    say(f"secrets/{name}.age is encrypted to {len(recipients)} recipient(s); write `!secret {name}`, commit and push")


@secret_group.command("list")
def secret_list() -> None:
    """List the secrets of this clone."""
    for path in sorted((_clone() / FOLDER).glob("*.age")):
        say(path.stem)


def _read(top: Path) -> bytes | None:
    try:
        return clone.read(top, FOLDER, "recipients")
    except OSError as error:
        raise NotPossible(f"{secrets.RECIPIENTS} can't be read: {error.strerror}") from error


def _clone() -> Path:
    """Return the top folder of the clone that contains the current folder, relative to it: no name can be replaced."""
    here = Path.cwd()
    for depth in range(len(here.parts)):
        folder = Path(*[".."] * depth)
        if (folder / "mail.yaml").is_file():
            return folder
    raise NotPossible(f"{here}: not inside a clone of the desired state (no mail.yaml here or above)")
