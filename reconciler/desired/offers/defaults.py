"""Leave out the parameters that have Postfix's own default. Pure; raises nothing.

A parameter with a comment right above it stays, because somebody explains why it is there. So does one whose default
follows from the host, such as its name: it would change with the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.desired.offers.mail_text import without_unexplained
from reconciler.desired.offers.offer import MAIL, Offer, plural
from reconciler.postfix.levels import LEVEL, at_level, level_of
from reconciler.postfix.syntax import one_line

if TYPE_CHECKING:
    from reconciler.desired.offers.offer import Ground

_OF_THE_HOST = frozenset({"myhostname", "mydomain", "mynetworks", "config_directory", "mail_version", LEVEL})
_OF_INSTANCES = "multi_instance_"  # postmulti(1) reads and writes these in main.cf
_SHOWN = 5


def find(ground: Ground) -> Offer | None:
    """Offer to leave them out."""
    equal = [name for name in ground.origin.parameters if _is_default(name, ground)]
    shorter = without_unexplained(ground.mail, equal)
    if not shorter.names:
        return None
    kept = len(equal) - len(shorter.names)
    more = f"; those with a comment of their own stay: {kept}" if kept else ""
    named = ", ".join(shorter.names[:_SHOWN]) + (", ..." if len(shorter.names) > _SHOWN else "")
    summary = f"leave out {plural(len(shorter.names), 'parameter')} with Postfix's default ({named}){more}"
    return Offer(summary=summary, files={MAIL: shorter.text.encode()})


def _is_default(name: str, ground: Ground) -> bool:
    parameter, default = ground.written(name), ground.facts.parameters.get(name)
    if name in _OF_THE_HOST or name.startswith(_OF_INSTANCES) or default is None or parameter is None:
        return False
    now = at_level(default, level_of(ground.origin, ground.facts))
    return one_line(parameter.value) == one_line(now)
