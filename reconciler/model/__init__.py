"""The values that pass between the stages, the outcomes of a pass, and the errors.

Other folders import these types from here (`from reconciler.model import Finding`). The exceptions are `errors` and
`phase`, which are imported as modules.

A module is imported when the first of its names is: most commands need few of them, and dataclasses take long to make.

Invariant: it holds values only, and knows no file format, no program and no rule.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.model.deployed_file import DeployedFile
    from reconciler.model.desired import Companion, Contribution, Desired, RememberedPlaces, SecretName
    from reconciler.model.facts import (
        RESOLVER,
        Access,
        AccessKind,
        Certificate,
        Facts,
        Interface,
        Key,
        Listener,
        Lookup,
        Mentioned,
        OtherInstance,
        Pem,
        Place,
        PlaceUse,
        Server,
        Space,
    )
    from reconciler.model.finding import (
        MASTER,
        UNWRITTEN,
        Allowance,
        Finding,
        Severity,
        Where,
        error_at,
        errors_in,
        in_tls,
        listed,
        printable,
        reading,
        taking_mail,
        warning_at,
    )
    from reconciler.model.outcome import Applied, Broken, Outcome, Postponed, Refused, RolledBack, Superseded, Unchanged
    from reconciler.model.parts import Rules, no_services, nothing_mentioned
    from reconciler.model.postfix import Parameter, Service, Table
    from reconciler.model.revision import Revision
    from reconciler.model.secret import Secret
    from reconciler.model.suggestion import closest, did_you_mean, meant
    from reconciler.model.tree import BESIDE, Activation, Change, Effect, File, Kind, Plan, Tree, paths_in

__all__ = [
    "BESIDE",
    "MASTER",
    "RESOLVER",
    "UNWRITTEN",
    "Access",
    "AccessKind",
    "Activation",
    "Allowance",
    "Applied",
    "Broken",
    "Certificate",
    "Change",
    "Companion",
    "Contribution",
    "DeployedFile",
    "Desired",
    "Effect",
    "Facts",
    "File",
    "Finding",
    "Interface",
    "Key",
    "Kind",
    "Listener",
    "Lookup",
    "Mentioned",
    "OtherInstance",
    "Outcome",
    "Parameter",
    "Pem",
    "Place",
    "PlaceUse",
    "Plan",
    "Postponed",
    "Refused",
    "RememberedPlaces",
    "Revision",
    "RolledBack",
    "Rules",
    "Secret",
    "SecretName",
    "Server",
    "Service",
    "Severity",
    "Space",
    "Superseded",
    "Table",
    "Tree",
    "Unchanged",
    "Where",
    "closest",
    "did_you_mean",
    "error_at",
    "errors_in",
    "in_tls",
    "listed",
    "meant",
    "no_services",
    "nothing_mentioned",
    "paths_in",
    "printable",
    "reading",
    "taking_mail",
    "warning_at",
]

_HOMES = {
    name: home
    for home, names in {
        "deployed_file": "DeployedFile",
        "desired": "Companion Contribution Desired RememberedPlaces SecretName",
        "facts": (
            "RESOLVER Access AccessKind Certificate Facts Interface Key Listener Lookup Mentioned OtherInstance Pem "
            "Place PlaceUse Server Space"
        ),
        "finding": (
            "MASTER UNWRITTEN Allowance Finding Severity Where error_at errors_in in_tls listed printable reading "
            "taking_mail warning_at"
        ),
        "outcome": "Applied Broken Outcome Postponed Refused RolledBack Superseded Unchanged",
        "parts": "Rules no_services nothing_mentioned",
        "postfix": "Parameter Service Table",
        "revision": "Revision",
        "secret": "Secret",
        "suggestion": "closest did_you_mean meant",
        "tree": "BESIDE Activation Change Effect File Kind Plan Tree paths_in",
    }.items()
    for name in names.split(" ")
}
if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> object:
        """Import the module of a name, and keep the value."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value
