"""The values that pass between the stages, the outcomes of a pass, and the errors.

Other folders import these types from here (`from reconciler.model import Finding`). The exceptions are `errors` and
`phase`, which are imported as modules.

Invariant: it holds values only, and knows no file format, no program and no rule.
"""

from reconciler.model.desired import Companion, Contribution, Desired, Secret, SecretName
from reconciler.model.facts import (
    RESOLVER,
    Access,
    AccessKind,
    Certificate,
    Facts,
    Key,
    Listener,
    Lookup,
    Mentioned,
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
from reconciler.model.suggestion import closest, did_you_mean, meant
from reconciler.model.tree import BESIDE, Activation, Change, Effect, File, Kind, Plan, Tree

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
    "Desired",
    "Effect",
    "Facts",
    "File",
    "Finding",
    "Key",
    "Kind",
    "Listener",
    "Lookup",
    "Mentioned",
    "Outcome",
    "Parameter",
    "Pem",
    "Place",
    "PlaceUse",
    "Plan",
    "Postponed",
    "Refused",
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
    "printable",
    "reading",
    "taking_mail",
    "warning_at",
]
