"""``reconciler secret`` works in a clone of the desired state; it needs neither root nor a host."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from reconciler.commands.console import say, say_all
from reconciler.desired import deployed
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
    r"""Encrypt a secret, or a file, to all recipients.

    Reads the secret from a pipe, or prompts for it without echo. The recipients are in secrets/recipients. A NAME that
    begins with files/ is the path of a file that is deployed; its bytes are read from a pipe or a file. The path of the
    encrypted file itself, secrets/NAME.age or files/PATH.age, stands for its NAME.

    \b
    Examples:
      reconciler secret set smart_host
      pass show relay | reconciler secret set smart_host
      reconciler secret set files/sasl/smtpd.conf < smtpd.conf
    """
    top, is_file = _clone(), name.startswith(deployed.FOLDER)
    name = name.removeprefix(f"{FOLDER}/").removesuffix(deployed.SUFFIX)
    if not is_file and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise click.UsageError(f'a secret\'s name has only letters, digits, "_", "-" and ".", got "{name}"')
    if is_file and (wrong := deployed.problem(f"{name}{deployed.SUFFIX}")):
        raise click.UsageError(wrong)
    recipients, findings = secrets.read_recipients((_read(top) or b"").decode("utf-8", "replace"))
    if findings:
        say_all(finding_lines(findings))
        sys.exit(1)
    if not recipients:
        raise NotPossible("secrets/recipients: no recipient to encrypt to; `age-keygen -y IDENTITY` prints a host's")
    value = _given(is_file=is_file)
    if not value:
        raise NotPossible("the secret is empty; nothing was written")
    folder, _, last = (name if is_file else f"{FOLDER}/{name}").rpartition("/")
    try:
        clone.write(top, folder, f"{last}.age", secrets.encrypt(value, recipients))
    except OSError as error:
        raise NotPossible(f"{folder}/{last}.age can't be written: {error.strerror}") from error
    then = "commit and push it" if is_file else f"write `!secret {name}`, commit and push"
    say(f"{folder}/{last}.age is encrypted to {len(recipients)} recipient(s); {then}")


def _given(*, is_file: bool) -> str | bytes:
    """Return the secret from a pipe, or as it is typed."""
    if sys.stdin.isatty():
        if is_file:
            raise click.UsageError("a file is read from a pipe: reconciler secret set files/PATH < FILE")
        typed: str = click.prompt("secret", hide_input=True, confirmation_prompt=True)
        return typed
    return sys.stdin.buffer.read() if is_file else sys.stdin.read().removesuffix("\n")


@secret_group.command("list")
def secret_list() -> None:
    """List the secrets of this clone, and its sealed files."""
    top = _clone()
    for path in sorted((top / FOLDER).glob("*.age")):
        say(path.stem)
    for path in sorted((top / deployed.FOLDER).rglob(f"*{deployed.SUFFIX}")):
        say(path.relative_to(top).as_posix().removesuffix(deployed.SUFFIX))


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
