"""``hostname``, and the defaults that hold without any section: compatibility_level and the aliases of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import StringConstraints

from reconciler.features import stock
from reconciler.features.section import SectionValue
from reconciler.model import UNWRITTEN, Contribution, Finding, Mentioned, Parameter, no_services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts, Where

SECTION = "hostname"
ALIASES = "/etc/aliases.db"
HOST_ALIASES = "hash:/etc/aliases"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# COMPATIBILITY_README: the levels, each with the Postfix version that introduced it.
_LEVELS = (((3, 11), "3.11"), ((3, 6), "3.6"), ((3, 0), "2"), ((2, 0), "0"))


class Schema(SectionValue[Annotated[str, StringConstraints(pattern=rf"^{_LABEL}(?:\.{_LABEL})+$", max_length=255)]]):
    """The host's fully qualified name (RFC 1123, section 2.1), as myhostname."""


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute myhostname, the newest compatibility_level, and alias_maps if the host has compiled aliases."""
    defaults = [
        Parameter("compatibility_level", compatibility_level(facts.release), UNWRITTEN, SECTION),
        Parameter("alias_maps", HOST_ALIASES if facts.files.get(ALIASES) else "", UNWRITTEN, SECTION),
    ]
    values = [] if stock.is_left_out(desired) else defaults
    if hostname := desired.section(Schema):
        values.append(Parameter("myhostname", hostname.root, desired.where(SECTION), SECTION))
    return Contribution(parameters={parameter.name: parameter for parameter in values})


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:  # noqa: ARG001 - a Feature
    """Return the path of the host's compiled aliases."""
    return Mentioned(paths=frozenset({ALIASES}))


def aliases_gone(where: Where) -> Finding:
    """Return the error for aliases of the host that were used until their compiled file was lost."""
    what = (
        f"{ALIASES} is gone, and alias_maps would become empty: run `newaliases` to make it again; if the host's"
        ' aliases are to be used no longer, write parameters: {alias_maps: ""}'
    )
    return Finding(rule="aliases-gone", where=where, text=what, subject=ALIASES, lasting=False, excusable=False)


def compatibility_level(release: tuple[int, ...]) -> str:
    """Return the newest level that a release of Postfix, such as (3, 7), knows."""
    return next((level for since, level in _LEVELS if release >= since), "0")


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - a Feature
    """Yield nothing: the schema already checks the host name."""
    return iter(())


services = no_services
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "aliases-gone": (
        "Postfix uses the aliases of this host, in /etc/aliases, and their compiled file no longer exists. alias_maps "
        "would become empty, and mail for the aliases, often root's, would go elsewhere. reconciler changes nothing "
        "until the file exists again: run `newaliases`. To use these aliases no longer, set alias_maps under "
        "parameters, or add tables/aliases."
    ),
}
