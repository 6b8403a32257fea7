"""``sasl``: settings for clients that log in. *authenticated_header* adds the account to the Received header.

Known limit: header_checks that rewrite Received lines, such as those that hide a client's address, may drop the name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.features.section import Section
from reconciler.model import Contribution, Finding, Parameter, no_services, nothing_mentioned, warning_at
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts

SECTION = "sasl"
_HEADER = "smtpd_sasl_authenticated_header"


class Schema(Section):
    """An unset value means Postfix's default, which is no."""

    authenticated_header: bool | None = None


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute smtpd_sasl_authenticated_header."""
    section = desired.section(Schema)
    if section is None or section.authenticated_header is None:
        return Contribution()
    value = "yes" if section.authenticated_header else "no"
    header = Parameter(_HEADER, value, desired.where(SECTION, "authenticated_header"), SECTION)
    return Contribution(parameters={_HEADER: header})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that the names of accounts go only to a smart host, which removes them."""
    section, main = desired.section(Schema), Scope(merged, facts)
    if section and section.authenticated_header and main.is_on(_HEADER) and not main.value("relayhost").strip(SPACE):
        what = (
            "sasl.authenticated_header is yes, but there is no smart host that removes the names: each recipient of a"
            " message learns which account sent it"
        )
        where = desired.where(SECTION, "authenticated_header")
        yield warning_at("exposed-account", where, what, SECTION)


services = no_services
mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "exposed-account": (
        "Postfix writes the name of the account that sent a message into the Received header, and the mail goes "
        "directly to its recipients. All recipients learn the name, and spammers try passwords for it. Use this "
        "setting with a smart host that judges accounts by the name and removes it, or write authenticated_header: "
        "no."
    ),
}
