"""Say why a Milter that signs mail is not offered as ``dkim``. Pure; raises nothing.

The section signs with a key of its own for all domains, and with other header fields, so that no message would leave
as before: there is no offer, only the reason.

Known limit: such a Milter is known by the name in its socket, or by the port that its package uses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.desired.offers.offer import NotOffered
from reconciler.features.dkim import section as dkim
from reconciler.postfix.scopes import scopes

if TYPE_CHECKING:
    from reconciler.desired.offers.offer import Ground

_SIGNERS = {
    "opendkim": re.compile(r"\bopendkim\b|:(?:8891|12301)\b", re.ASCII),
    "dkimpy-milter": re.compile(r"\bdkimpy|:8892\b", re.ASCII),
    "rspamd": re.compile(rf"\brspamd\b|:{dkim.PORT}\b", re.ASCII),
}
_LISTS = frozenset({"smtpd_milters", "non_smtpd_milters"})
_WHY = "the section signs with one key of its own for all domains, and every message would get another signature"


def find(ground: Ground) -> NotOffered | None:
    """Return why there is no offer, if a Milter may sign."""
    if ground.desired.section(dkim.Schema) is not None:
        return None
    for scope in scopes(ground.origin, ground.facts):
        for parameter in scope.written:
            value = scope.value(parameter.name) if parameter.name in _LISTS else ""
            if name := next((name for name, socket in _SIGNERS.items() if socket.search(value)), None):
                return NotOffered(f"{parameter.name} asks {name}, which may sign: {_WHY}")
    return None
