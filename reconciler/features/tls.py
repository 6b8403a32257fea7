"""``tls``: how mail that leaves is encrypted (TLS_README, "Client TLS limitations" and "security levels")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from reconciler.features import smart_host
from reconciler.model import Contribution, Finding, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts

SECTION = "tls"


class Schema(BaseModel, extra="forbid", frozen=True):
    """The level for all outbound mail; unset, it is ``encrypt`` when the smart host has a login, else ``may``."""

    outbound: Literal["none", "may", "encrypt"] | None = None


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute smtp_tls_security_level, always: Postfix's own default sends in clear text."""
    section, relay = desired.section(Schema), desired.section(smart_host.Schema)
    if section and section.outbound:
        level, where = section.outbound, desired.where(SECTION, "outbound")
    else:
        level, where = (
            ("encrypt" if relay and (relay.has_login or relay.is_wrapped) else "may"),
            desired.where("smart_host"),
        )
    level_parameter = Parameter("smtp_tls_security_level", level, where, SECTION)
    return Contribution(parameters={level_parameter.name: level_parameter})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - a Feature
    """A login is never sent over a connection that nobody asked to encrypt."""
    relay = desired.section(smart_host.Schema)
    level = merged.parameters["smtp_tls_security_level"]
    if relay and relay.has_login and level.value == "none":
        what = (
            "smart_host has a login, but tls.outbound is none: the password would travel in plain text, or never be"
            " accepted; write tls: {outbound: encrypt}"
        )
        yield Finding(rule="login-in-clear-text", where=level.where, text=what, subject="smart_host")


EXPLAINED = {
    "login-in-clear-text": (
        "The smart host has a login, and TLS for mail that leaves is off. The password would travel in plain text,"
        " or be refused by a careful server. Write tls: {outbound: encrypt}."
    ),
}
