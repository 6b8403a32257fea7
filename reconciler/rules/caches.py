"""A cache that Postfix writes must have one writer, unless its type may have several.

postscreen, verify and tlsmgr lock the file of a cache for as long as they run, and the second one exits: "unable to get
exclusive lock" (dict_open.c). By way of proxymap, and in an lmdb file, several may write. Raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import nothing_mentioned
from reconciler.postfix.scopes import CONFIG_DIRECTORY, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Service

_CACHES = {
    "postscreen": ("postscreen_cache_map",),
    "tlsmgr": tuple(f"{program}_tls_session_cache_database" for program in ("smtpd", "smtp", "lmtp")),
    "verify": ("address_verify_map",),
}
# Other types may have several writers (DICT_FLAG_MULTI_WRITER), or have no file.
_LOCKED = frozenset({"btree", "dbm", "hash", "sdbm"})


class _Writer(NamedTuple):
    """A service that opens a cache, and the parameter that names it."""

    service: Service
    scope: Scope
    parameter: str

    def __str__(self) -> str:
        return f"{self.service.command} ({self.service.name})"


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that no two programs lock one cache."""
    first: dict[str, _Writer] = {}
    for service in merged.entries:
        for parameter in _CACHES.get(service.command, ()):
            writer = _Writer(service, Scope(merged, facts, service), parameter)
            for cache in _locked(writer):
                if (other := first.setdefault(cache, writer)) != writer:
                    yield _finding(writer, other, cache)


def _locked(writer: _Writer) -> Iterator[str]:
    directory = writer.scope.facts.parameters.get("config_directory", CONFIG_DIRECTORY)
    for word in writer.scope.words(writer.parameter):
        kind, _, name = word.partition(":")
        # tlsmgr refuses one cache for two purposes, whatever its type.
        if name and (kind in _LOCKED or writer.service.command == "tlsmgr"):
            yield word.replace(CONFIG_DIRECTORY, directory)


def _finding(writer: _Writer, other: _Writer, cache: str) -> Finding:
    name, is_one = writer.parameter, writer.service == other.service
    if is_one:
        what = f"{other.parameter} and {name} name one cache, {cache}: {writer} would exit; give each its own file"
    else:
        what = (
            f"{writer} and {other} would write one cache, {cache}: the second to start can't lock it, exits and answers"
            f" no client; give each its own {name}, or share it as proxy:{cache}"
        )
    parameter = writer.scope.parameter(name)
    if parameter and (is_one or parameter in writer.scope.written):
        return writer.scope.place_of(parameter).finding("shared-cache", parameter, what, cache)
    return writer.service.finding("shared-cache", what)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "shared-cache": (
        "Two programs of Postfix write one cache file. Each locks the file while it runs, so the second to start "
        "exits: its port is open and answers nothing. Give each service its own file with -o, or share the file "
        "through proxymap, as proxy:btree:FILE."
    ),
}
