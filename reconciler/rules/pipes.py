"""pipe(8) and spawn(8) must have valid attributes, a suitable user, and known names in their command.

Both exit, and mail waits, when they read an attribute that they do not know. A service that nothing uses never starts,
so its user need not exist. Raises nothing.

Known limit: the rule does not know whether a group exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import Finding, did_you_mean, nothing_mentioned
from reconciler.model.ascii_text import SPACE, is_digits
from reconciler.postfix.macros import MalformedMacro, references
from reconciler.postfix.reached import idle
from reconciler.postfix.scopes import Scope
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Service

_ATTRIBUTES = {
    "pipe": names("argv chroot directory eol flags null_sender size user"),
    "spawn": names("argv user"),
}
_FLAGS = "BDFORXhqu.>"
_NAMES = names(
    """
    client_address client_helo client_hostname client_port client_protocol domain envid extension mailbox nexthop
    original_recipient queue_id recipient sasl_method sasl_sender sasl_username sender size user
    """
)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that pipe and spawn can run each command."""
    commands = [service for service in merged.distinct if service.command in _ATTRIBUTES]
    unused = idle(commands, merged, facts)
    for service in commands:
        given = [word[1:-1].strip(SPACE) if word.startswith("{") else word for word in service.arguments]
        argv = next((index for index, word in enumerate(given) if word.lower().startswith("argv=")), len(given))
        scope = Scope(merged, facts, service)
        yield from _needed(service, given[: argv + 1])
        for word in given[:argv]:
            for finding in _attribute(scope, service, word):
                if finding.lasting or service.key not in unused:
                    yield finding
        if service.command == "pipe":
            for word in given[argv:]:
                yield from _named(service, word)


def _needed(service: Service, given: list[str]) -> Iterator[Finding]:
    for needed in ("user=", "argv="):
        if not any(word.lower().startswith(needed) for word in given):
            yield service.finding("incomplete-service", f"{service.command} needs {needed}...; it would exit")


def _attribute(scope: Scope, service: Service, word: str) -> Iterator[Finding]:
    name, equals, value = word.partition("=")
    name, known = name.lower(), _ATTRIBUTES[service.command]
    if word.startswith("-") and not word.startswith("-o"):
        return
    if not equals or name not in known:
        what = f'unknown attribute "{word}" of {service.command}, which would exit{did_you_mean(name, known)}'
        yield service.finding("unknown-attribute", what)
    elif name == "user":
        yield from _user(scope, service, value)
    elif name == "flags" and (strange := [flag for flag in value if flag not in _FLAGS]):
        what = f'unknown flag "{strange[0]}" in "{word}": {service.command} would exit; the flags are {_FLAGS}'
        yield service.finding("bad-value", what)
    elif name == "size" and not is_digits(value):
        what = f'size must be a number of bytes, got "{value}": {service.command} would exit'
        yield service.finding("bad-value", what)


def _user(scope: Scope, service: Service, value: str) -> Iterator[Finding]:
    user, _, group = value.partition(":")
    owner, users = scope.value("mail_owner"), scope.facts.users
    if not is_digits(user) and user not in users:
        what = f'unknown user "{user}" of {service.command}: every delivery would fail{did_you_mean(user, users)}'
        yield service.finding("unknown-user", what, lasting=False)
    elif user in {"root", owner} or group in {"root", owner, scope.value("setgid_group")}:
        what = f'{service.command} refuses to run a command as "{value}", which is privileged; choose a separate user'
        yield service.finding("privileged-user", what)


def _named(service: Service, word: str) -> Iterator[Finding]:
    try:
        unknown = [name for name in references(word) if name not in _NAMES]
    except MalformedMacro:
        return
    for name in unknown:
        what = f'unknown name "${{{name}}}" in the command: every delivery would wait ("configuration error")'
        hint = did_you_mean(name, _NAMES)
        yield service.finding("undefined-name", what + hint)


mentioned = nothing_mentioned
PASSING = frozenset({"unknown-user"})
EXPLAINED = {
    "incomplete-service": (
        "A pipe or spawn service lacks its user or its command. The program exits each time it starts, and its mail "
        "waits in the queue. Add user=NAME and argv=COMMAND."
    ),
    "unknown-attribute": (
        "A pipe or spawn service has an attribute that its program does not know. The program exits each time it "
        "starts, and its mail waits in the queue. Correct the spelling. The words of the command come after argv=."
    ),
    "unknown-user": (
        "A pipe or spawn service runs as a user that does not exist on this host. Every delivery would fail. Create "
        "the user first, or correct the name."
    ),
    "privileged-user": (
        "A pipe or spawn service runs its command as root or as the user of Postfix itself. Postfix refuses to run "
        "it, and its mail waits in the queue. Create a separate user for the command."
    ),
}
