"""The script of a rehearsal of the healthy state, and findings about its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from reconciler.features.composition import compose
from reconciler.rehearsal.script import Script, write
from reconciler.rehearsal.verdict import findings_of
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from reconciler.model import Facts, Finding
    from reconciler.rehearsal.inside.messages import Report


def script_of(
    parameters: dict[str, str] | None = None,
    files: dict[str, str] | None = None,
    facts: Facts = HOST,
    **sections: object,
) -> Script:
    """Write the script for the healthy state with some parameters, files and sections changed."""
    state = desired(parameters, files, **sections)
    return write(state, facts, compose(state, facts))


def report(*log: str, **more: Any) -> Report:  # noqa: ANN401 - JSON
    """Return the report of a rehearsal in which Postfix logged these lines."""
    happened = {
        "start_failure": "",
        "closed": [],
        "alive": True,
        "log": list(log),
        "listed": [],
        "dialogues": [],
        "submitted": {"status": -1, "said": ""},
        "flows": [],
        "routes": {},
        "received": [],
    }
    return cast("Report", happened | more)


def report_findings(done: Script, *log: str, **more: Any) -> list[Finding]:  # noqa: ANN401 - JSON
    """Return the findings about such a report."""
    return findings_of(done, report(*log, **more), str.isalpha)
