"""The queue must have space for the largest message: smtpd(8) refuses all mail while there is less than 1.5 times that.

Every finding is of the moment, and depends on ``facts.spaces``. Raises nothing.

Known limit: what the defaults of Postfix need, 15 MB, is not tested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import Mentioned, Space
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.numbers import as_number
from reconciler.postfix.scopes import Scope, scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

# How many halves of the value must be free: smtpd_check.c, smtpd_space_multf is 1.5.
_HALVES = {"message_size_limit": 3, "queue_minfree": 2}


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that the queue has the space that smtpd asks for."""
    for scope, parameter, space in _needed(merged, facts):
        if lack := facts.spaces.get(space):
            times = "1.5 times as many" if _HALVES[parameter.name] > 2 else "as many"  # noqa: PLR2004 - halves
            what = (
                f"{parameter.name} = {scope.value(parameter.name)} needs {times} bytes free in {space.folder}, where"
                f" {lack}: smtpd would answer 452 to all mail"
            )
            yield scope.finding("queue-too-small", parameter, what, lasting=False)


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Name the space that smtpd needs."""
    return Mentioned(spaces=frozenset(space for _, _, space in _needed(merged, facts)))


def _needed(merged: Contribution, facts: Facts) -> Iterator[tuple[Scope, Parameter, Space]]:
    for scope in scopes(merged, facts):
        if scope.service and scope.service.command != "smtpd":
            continue
        for parameter in scope.written:
            value = scope.value(parameter.name) if parameter.name in _HALVES else ""
            if is_digits(value) and parameter == scope.parameter(parameter.name):
                needed = as_number(value) * _HALVES[parameter.name] // 2
                yield scope, parameter, Space(scope.value("queue_directory"), needed)


PASSING = frozenset({"queue-too-small"})
EXPLAINED = {
    "queue-too-small": (
        "smtpd refuses all mail with 452 while the file system of the queue has less free space than queue_minfree, or "
        "than 1.5 times message_size_limit. A rehearsal has a file system of its own, so only this rule can see it. "
        "Lower the limit, or free space."
    ),
}
