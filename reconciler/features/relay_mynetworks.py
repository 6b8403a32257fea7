"""``relay_mynetworks``: sets whether clients of mynetworks relay without a login; unset, it contributes nothing.

With no, programs on this host can't send mail over TCP without a trace. sendmail(1) does not use TCP: it still works,
and logs the uid of its caller.

Known limit: the rule does not follow what a table or a policy server permits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.features.section import SectionValue
from reconciler.model import Contribution, Finding, Parameter, no_services, nothing_mentioned, warning_at
from reconciler.postfix.restrictions import relays_mynetworks, smtpd_scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts

SECTION = "relay_mynetworks"
_RELAY = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")


class Schema(SectionValue[bool]):
    """True puts permit_mynetworks ahead of the relay protection."""


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute smtpd_relay_restrictions."""
    section = desired.section(Schema)
    if section is None:
        return Contribution()
    protected = "permit_sasl_authenticated, reject_unauth_destination"
    value = f"permit_mynetworks, {protected}" if section.root else protected
    return Contribution(parameters={_RELAY[0]: Parameter(_RELAY[0], value, desired.where(SECTION), SECTION)})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that no list of restrictions prevails over ``relay_mynetworks: no``."""
    section = desired.section(Schema)
    if section is None or section.root:
        return
    for scope in smtpd_scopes(merged, facts):
        if scope.service and relays_mynetworks(scope):
            what = (
                f"{SECTION} is no, but smtpd_relay_restrictions prevails over it: clients of mynetworks relay through"
                f" {scope.service.key} without authenticating"
            )
            where = scope.where(*_RELAY)
            yield warning_at("mynetworks-relay", where, what, scope.service.key)


services = no_services
mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "mynetworks-relay": (
        "relay_mynetworks is no, so clients of mynetworks must authenticate before they relay. But a list of "
        "restrictions, in main.cf or of one service, prevails over it and lets them relay without authenticating. A "
        "user who runs a program on this host could send mail that can't be traced. Remove permit_mynetworks from "
        "that list, or write relay_mynetworks: yes."
    ),
}
