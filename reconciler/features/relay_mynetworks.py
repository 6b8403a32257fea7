"""``relay_mynetworks``: whether clients of mynetworks relay without authenticating; unset, it contributes nothing.

With no, TCP gives nobody on this host a way out that leaves no trace. sendmail(1) is no TCP client: it goes on, and
logs the uid of its caller.

Known limit: what a table or a policy server permits is not followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import RootModel

from reconciler.model import Contribution, Finding, Parameter, no_services, nothing_mentioned, warning_at
from reconciler.postfix.restrictions import relays_mynetworks, smtpd_scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts

SECTION = "relay_mynetworks"
_RELAY = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")


class Schema(RootModel[bool]):
    """Whether permit_mynetworks stands ahead of the relay protection."""


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute smtpd_relay_restrictions."""
    section = desired.section(Schema)
    if section is None:
        return Contribution()
    protected = "permit_sasl_authenticated, reject_unauth_destination"
    value = f"permit_mynetworks, {protected}" if section.root else protected
    return Contribution(parameters={_RELAY[0]: Parameter(_RELAY[0], value, desired.where(SECTION), SECTION)})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Where it says no, no list of restrictions says yes after all."""
    section = desired.section(Schema)
    if section is None or section.root:
        return
    for scope in smtpd_scopes(merged, facts):
        if scope.service and relays_mynetworks(scope):
            what = (
                f"{SECTION} is no, but smtpd_relay_restrictions says otherwise: clients of mynetworks relay by"
                f" {scope.service.key} without authenticating"
            )
            where = scope.where(*_RELAY)
            yield warning_at("mynetworks-relay", where, what, scope.service.key)


services = no_services
mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "mynetworks-relay": (
        "relay_mynetworks says that clients of mynetworks authenticate before they relay, and a list of restrictions "
        "that prevails over it, of main.cf or of one service, lets them relay all the same. A user who gets a "
        "program on "
        "this host can send mail by it that can't be traced. Remove permit_mynetworks there, or say relay_mynetworks: "
        "yes."
    ),
}
