"""Open secrets: age files in the repository, decrypted with this host's identity; the only importer of pyrage.

open_secrets() never raises: a secret that can't be opened is a finding of the moment, because the identity or the
recipients may change while the commit stays. A decrypted value is cached by its file's digest, so a pass decrypts only
new files. No value and no private key appears in a finding, an error or a representation.

Raises BadIdentity for a private key that is missing or malformed, or that exists already when a new one is requested,
and ValueError without a recipient to encrypt to (read_recipients() reports bad recipients first).

A sealed file of the folder files/ is opened likewise, byte for byte; its secret's name is ``files/PATH``, and its value
is text that encodes to the bytes with surrogateescape.

Known limits: other secrets are text in UTF-8. Identities are native age keys (AGE-SECRET-KEY-1...), one in a file;
recipients may be SSH keys too. Values live in this process's memory until it ends.
"""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING, Any

from reconciler.host.effects import fsync
from reconciler.model import File, Finding, Secret, Tree, Where
from reconciler.model.ascii_text import SPACE, split_lines
from reconciler.model.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyrage

SEALED = "secret-not-opened"
RECIPIENTS = "secrets/recipients"
_FILE = re.compile(r"(?:secrets/(?=[A-Za-z0-9][A-Za-z0-9_.-]*\.age\Z)|(?=files/))(.+)\.age")
_DEPLOYED = "files/"
_KEPT = 4096
_ANEW = "make one with `deploy/install` and seal every secret again with `reconciler secret set`"


class BadIdentity(ReconcilerError):  # noqa: N818 - as in errors.py
    """The operator must make or fix this host's private key."""


def _pyrage() -> Any:  # noqa: ANN401 - it has no types
    """Return pyrage, which takes a MiB: a host without secrets does without it."""
    import pyrage  # noqa: PLC0415 - as above

    return pyrage


def new_identity(path: Path) -> str:
    """Make this host's private key, readable by its owner only, and return its public one; never overwrite a file."""
    identity = _pyrage().x25519.Identity.generate()
    public = str(identity.to_public())
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BadIdentity(f"{path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as stream:
        stream.write(f"# public key: {public}\n{identity}\n")
        stream.flush()
        os.fsync(descriptor)
    fsync(path.parent)
    fsync(path.parent.parent)  # the folder may be new as well
    return public


def recipient(path: Path) -> str:
    """Return the public key of the identity in *path*."""
    return str(_identity(path).to_public())


def open_secrets(tree: Tree, identity: Path) -> tuple[dict[str, Secret], list[Finding]]:
    """Open every secrets/NAME.age and files/PATH.age of a commit; return the secrets by name."""
    opened: dict[str, Secret] = {}
    findings: list[Finding] = []
    named = (path for path in tree if path.endswith(".age"))
    sealed = {match[1]: path for path in named if (match := _FILE.fullmatch(path))}
    for name, path in sorted(sealed.items()):
        try:
            content = _opened(tree[path], str(_identity(identity)))
            opened[name] = Secret(name, _value(name, content))
        except BadIdentity as error:
            findings.append(_not_opened(name, path, f"{error}; restore {identity}; if it is lost, {_ANEW}"))
        except (_pyrage().DecryptError, UnicodeDecodeError) as error:
            findings.append(_not_opened(name, path, _why(name, identity, error)))
    return opened, findings


def _value(name: str, content: bytes) -> str:
    if name.startswith(_DEPLOYED):
        return content.decode("utf-8", "surrogateescape")
    return content.decode().removesuffix("\n")


def encrypt(value: str | bytes, recipients: Sequence[str]) -> bytes:
    """Encrypt a value for all recipients, armored as text for git."""
    keys = [_recipient(text) for text in recipients]
    if None in keys or not keys:
        raise ValueError("a secret needs recipients, each an age or SSH public key")
    return bytes(_pyrage().encrypt(value.encode() if isinstance(value, str) else value, keys, armored=True))


def read_recipients(text: str, file: str = RECIPIENTS) -> tuple[list[str], list[Finding]]:
    """Read the public keys that secrets are encrypted to, one a line."""
    recipients: list[str] = []
    findings = []
    for number, line in enumerate(split_lines(text), 1):
        word = line.strip(SPACE)
        if not word or word.startswith("#"):
            continue
        if _recipient(word) is not None:
            recipients.append(word)
            continue
        private = "PRIVATE KEY" in word.upper() or word.upper().startswith("AGE-SECRET-KEY-")
        what = "a private key; it is exposed now, so make a new one" if private else f'got "{word}"'
        message = f"expected an age or SSH public key (age1..., ssh-ed25519 ...), {what}{_likely_recipient(word)}"
        where = Where(file, number)
        findings.append(Finding(rule="malformed-recipient", where=where, text=message, subject=f"{file}:{number}"))
    return recipients, findings


def unsound_recipients(tree: Tree) -> list[Finding]:
    """Return the findings about a commit's list of recipients, which only the next secret would meet otherwise."""
    listed = tree.get(RECIPIENTS)
    return read_recipients(listed.read().decode("utf-8", "replace"))[1] if listed else []


@functools.lru_cache(_KEPT)
def _opened(file: File, identity: str) -> bytes:
    """Return the content of an encrypted file; files with equal digests are equal, so each is opened once."""
    return bytes(_pyrage().decrypt(file.read(), [_pyrage().x25519.Identity.from_str(identity)]))


def _identity(path: Path) -> pyrage.x25519.Identity:
    try:
        lines = split_lines(path.read_text("utf-8"))
    except OSError as error:
        raise BadIdentity(f"no identity in {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadIdentity(f"no identity in {path}: not a text file") from error
    keys = [line.strip(SPACE) for line in lines if line.strip(SPACE) and not line.startswith("#")]
    try:
        return _pyrage().x25519.Identity.from_str(keys[0])
    except (IndexError, _pyrage().IdentityError):
        # The library's own message might quote the key.
        raise BadIdentity(f"no identity in {path}: expected one line AGE-SECRET-KEY-1...") from None


def _recipient(text: str) -> object | None:
    kind = _pyrage().ssh.Recipient if text.startswith("ssh-") else _pyrage().x25519.Recipient
    try:
        recipient: object = kind.from_str(text)
    except _pyrage().RecipientError:
        return None
    return recipient


def _likely_recipient(word: str) -> str:
    """Return what is probably wrong with a line that is no recipient, or an empty text."""
    if word.lower().startswith("age1"):
        return "; the key is incomplete or mistyped: copy it again"
    if word.startswith("AAAAC3NzaC1lZDI1NTE5") and _recipient(f"ssh-ed25519 {word}"):
        return "; write ssh-ed25519 and a blank before it"
    if word.startswith(("ecdsa-", "sk-", "ssh-dss")):
        return "; age can't encrypt to a key of this type: use an age key, ssh-ed25519 or ssh-rsa"
    if word.startswith(("ssh-ed25519", "ssh-rsa")):
        return "; the key is incomplete or mistyped: copy the whole line of the .pub file"
    return ""


def _why(name: str, identity: Path, error: ValueError | pyrage.DecryptError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"holds bytes that are not UTF-8; run `reconciler secret set {name}`"
    if "no matching keys" in str(error).lower():
        fix = f"add {recipient(identity)} to {RECIPIENTS} and run `reconciler secret set {name}`"
        return f"is not encrypted to this host; {fix}"
    return f"is not an age file, or is damaged ({error}); run `reconciler secret set {name}`"


def _not_opened(name: str, path: str, why: str) -> Finding:
    text = f"secret {name} can't be opened: {why}"
    return Finding(rule=SEALED, where=Where(path), text=text, subject=name, lasting=False)
