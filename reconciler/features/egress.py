"""``egress``: only Postfix and the named users of this host may connect to mail servers elsewhere.

The lockdown is a table of its own in nftables, ``inet reconciler``, for IPv4 and IPv6. It checks the first packet of
each TCP connection to one of the ports, except for packets that leave by the interface lo. It refuses other users at
once, counts the connections by user, and reports them to the daemon through NFLOG.

Known limits: this host forwards the packets of a container with a network of its own, so they pass. Programs of pipe(8)
run as their own users, so *allow_users* must name those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints

from reconciler.features import parameters
from reconciler.features.lockdown_names import FILE, GROUP, NAME, TABLE, TRIED
from reconciler.features.section import Section
from reconciler.model import (
    Companion,
    Contribution,
    File,
    Finding,
    did_you_mean,
    error_at,
    no_services,
    nothing_mentioned,
    warning_at,
)
from reconciler.postfix.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.model import Desired, Facts

SECTION = "egress"
_MAIL = frozenset({25, 465, 587, 2525})
Port = Annotated[int, Field(ge=1, le=65535)]
User = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]


class Schema(Section):
    """Only Postfix and *allow_users* may connect to *ports*."""

    lockdown: bool = True
    ports: tuple[Port, ...] = (25,)
    allow_users: tuple[User, ...] = ()


def ruleset(ports: Sequence[int], users: Sequence[str]) -> str:
    """Return the rules as nft(8) reads them; loading them again replaces them in one step."""
    allowed = ", ".join(f'"{user}"' for user in users)
    return f"""\
# Rendered by reconciler; loaded at boot by reconciler-egress.service.
table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
    set {TRIED} {{
        type uid
        size 4096
        flags dynamic, timeout
        timeout 7d
        counter
    }}
    counter refused {{ }}
    chain output {{
        type filter hook output priority filter; policy accept;
        oifname != "lo" tcp dport {{ {", ".join(map(str, sorted(set(ports))))} }} \
tcp flags & (fin | syn | rst | ack) == syn jump mail
    }}
    chain mail {{
        meta skuid {{ {allowed} }} accept
        counter name "refused"
        add @{TRIED} {{ meta skuid }}
        limit rate 10/second burst 20 packets log group {GROUP}
        reject with tcp reset
    }}
}}
"""


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:
    """Contribute the table, in a file that is also loaded at boot."""
    section = desired.section(Schema)
    if not section or not section.lockdown or not section.ports:
        return Contribution()
    written = desired.section(parameters.Schema)
    own = written.root.get("mail_owner") if written else None
    owner = own or Scope(below, facts).value("mail_owner")
    file = File.of(ruleset(section.ports, sorted({owner, *section.allow_users})).encode())
    listed = {"ports": map(str, section.ports), "allow_users": section.allow_users}
    places = {
        word: desired.where(SECTION, key, str(place))
        for key, words in listed.items()
        for place, word in enumerate(words)
    }
    beside = Companion(name=NAME, files={FILE: file}, where=desired.where(SECTION), places=places)
    return Contribution(companions={NAME: beside})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each named user exists, and that each port is a mail port."""
    section = desired.section(Schema)
    if not section or not section.lockdown:
        return
    for number, user in enumerate(section.allow_users):
        if user not in facts.users:
            where = desired.where(SECTION, "allow_users", str(number))
            what = f'egress.allow_users: there is no user "{user}" on this host{did_you_mean(user, facts.users)}'
            yield Finding(rule="unknown-user", where=where, text=what, subject=user, lasting=False, excusable=False)
    where = desired.where(SECTION, "ports")
    for port in section.ports:
        if port not in _MAIL:
            what = f"egress.ports: {port} is not a mail port; other programs of this host could not connect to it"
            yield warning_at("egress-port", where, what, str(port))
    if not section.ports:
        what = "egress.lockdown is on, but egress.ports is empty: the lockdown has no effect; write ports: [25]"
        yield error_at("egress-port", where, what, SECTION)


services = no_services
mentioned = nothing_mentioned
PASSING = frozenset({"unknown-user"})
EXPLAINED = {
    "nft-refuses": (
        "nft(8), or the kernel of this host, does not accept the rules of the lockdown. A container that may not "
        "change its own firewall can't have a lockdown: write egress: {lockdown: no} in its hosts/NAME.yaml."
    ),
    "egress-port": (
        "egress.ports lists a port that mail servers do not listen on, or it is empty. On a port such as 443, the "
        "lockdown would refuse every other program of the host, including apt. List 25, and also 465, 587 or 2525 if "
        "you use a smart host."
    ),
}
