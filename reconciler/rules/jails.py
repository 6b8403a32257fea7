"""A program that runs in a chroot must find the name servers there, and ask for users outside of it.

Findings about names are of the moment, and depend on ``facts.resolvers``. Debian copies /etc/resolv.conf into the
chroot at each start of Postfix, and not at a reload, so nothing is reported while Postfix is down. Raises nothing.

Known limits: libraries that nsswitch.conf(5) names are not looked for, because libc itself can read files and ask DNS.
Certificates of authorities in a folder (smtp_tls_CApath) are not looked for in the chroot.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model import Mentioned, reading
from reconciler.postfix.references import RESOLVERS, names_in_jail
from reconciler.postfix.restrictions import smtpd_scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Service, Where

_OF_USERS = re.compile(r"unix:(?:passwd|group)\.by", re.ASCII)
_CLIENTS, _SERVERS = frozenset({"smtp", "lmtp"}), frozenset({"smtpd", "qmqpd"})
_ASKED_WITHOUT_FILE = "127.0.0.1"  # resolv.conf(5)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that programs in the chroot find users, and ask name servers that this host has."""
    yield from _users(merged, facts)
    jailed = _jailed(merged)
    path = names_in_jail(merged, facts)
    outside, inside = facts.resolvers.get(RESOLVERS), facts.resolvers.get(path)
    if not jailed or not outside or not any(listener.ours for listener in facts.listeners):
        return
    sends = any(service.command in _CLIENTS for service in jailed)
    # What the commit writes itself comes first, because there is a line to point to.
    service = min(jailed, key=lambda one: (not one.where.line, one.command not in _CLIENTS))
    if inside is None and _ASKED_WITHOUT_FILE not in outside:
        then = "no mail could leave" if sends else "it could not look up its clients"
        what = f"{service.command} runs in a chroot without {path}, so it would ask no name server of this host: {then}"
        starts = frozenset(reading(one.command, path) for one in jailed)
        finding = replace(service.finding("chroot-without-names", what, lasting=False), starts=starts)
        yield finding if sends else finding.as_warning("mail can still come in")
    elif inside is not None and not {*inside} & {*outside}:
        what = (
            f"{service.command} runs in a chroot, and {path} names other name servers ({', '.join(inside) or 'none'})"
            f" than {RESOLVERS} ({', '.join(outside)})"
        )
        finding = service.finding("chroot-without-names", what, lasting=False)
        yield finding.as_warning("Debian copies the file when Postfix starts")


def _users(merged: Contribution, facts: Facts) -> Iterator[Finding]:
    """Warn of users that an smtpd in the chroot looks for without proxymap, which reads the files outside."""
    said: set[Where] = set()
    for scope in smtpd_scopes(merged, facts):
        parameter = scope.parameter("local_recipient_maps")
        word = next((word for word in scope.words("local_recipient_maps") if _OF_USERS.match(word)), "")
        if parameter and word and scope.service and scope.service.chroot == "y" and parameter.where not in said:
            said.add(parameter.where)
            what = (
                f'local_recipient_maps: smtpd runs in a chroot, where "{word}" finds no users: mail for them would be'
                f" refused; did you mean proxy:{word}?"
            )
            yield scope.place_of(parameter).warning("users-in-a-jail", parameter, what, word)


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Name the lists of name servers, in the chroot and outside."""
    return Mentioned(resolvers=frozenset({RESOLVERS, names_in_jail(merged, facts)} if _jailed(merged) else ()))


def _jailed(merged: Contribution) -> list[Service]:
    return [one for one in merged.entries if one.chroot == "y" and one.command in _CLIENTS | _SERVERS]


PASSING = frozenset({"chroot-without-names"})
EXPLAINED = {
    "users-in-a-jail": (
        "smtpd runs in a chroot and asks for local users itself. There is no list of users in the chroot, so smtpd "
        "refuses all of them. Put proxy: in front of the table, so that proxymap asks outside of the chroot."
    ),
    "chroot-without-names": (
        "A service runs in a chroot (y in the fifth column of master.cf), where etc/resolv.conf is missing or names "
        "other name servers than the host has now. A rehearsal has a file of its own there. Debian copies the file "
        "when Postfix starts, and a reload does not. Run /usr/lib/postfix/configure-instance.sh - as root, or turn the "
        "chroot of the service off (n)."
    ),
}
