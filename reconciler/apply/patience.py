"""How long smtpd may think about a client's question, as its own configuration says.

It probes an address before it answers (reject_unverified_recipient), sleeps on purpose, or asks somebody who may take
some time: a policy server, a milter, a proxy, the DNS. An answer that comes in that time is only late. Pure; raises
nothing.

Known limits: `sleep` in a table is not seen, nor a list that a service's own option names by ``$name``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.ascii_text import is_digits
from reconciler.postfix.restrictions import LISTS, WITH_DOMAIN, parsed
from reconciler.postfix.scopes import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.postfix.restrictions import Restriction

LONGEST = 30.0
"""The most seconds that an answer may take; a policy server that is dead holds mail up for longer."""
_DIGITS = 6
_DNS, _ASKS_DNS = 10, re.compile(r"reject_unknown_\w+|check_\w+_(?:mx|ns|a)_access", re.ASCII)
_TIME = re.compile(r"([0-9]{1,6})([smhdw]?)", re.ASCII)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_OWN_TIMEOUT = re.compile(r"\btimeout\s*=\s*(\w+)", re.ASCII)


class Thinking(NamedTuple):
    """The seconds to wait for an answer, and whether it may come *later* all the same, so that silence says nothing."""

    seconds: float = 0.0
    later: bool = False


def thinking(value: Callable[[str], str]) -> Thinking:
    """Return how long a listener may think, whose parameters *value* returns."""
    names = (*LISTS, *words(value("smtpd_restriction_classes")))
    restrictions = [one for name in names for one in parsed(value(name))]
    # smtpd sleeps between the looks at a probe, and at each refusal once there were some.
    stated = _number(value("address_verify_poll_count"), 3) * _seconds(value("address_verify_poll_delay"), 3)
    stated += _seconds(value("smtpd_error_sleep_time"), 1)
    stated += sum(_number(one.argument or "", 0) for one in restrictions if one.name == "sleep")
    return Thinking(min(LONGEST, stated + sum(_asking(restrictions, value))), later=stated > LONGEST)


def _asking(restrictions: list[Restriction], value: Callable[[str], str]) -> Iterator[float]:
    """Yield how long smtpd asks each server until it gives up: the DNS twice for five seconds (resolv.conf(5))."""
    if value("smtpd_milters"):
        yield _seconds(value("milter_command_timeout"), 30)
    if value("smtpd_proxy_filter"):
        yield _seconds(value("smtpd_proxy_timeout"), 100)
    tries = _number(value("smtpd_policy_service_try_limit"), 2)
    pause = _seconds(value("smtpd_policy_service_retry_delay"), 1)
    for one in restrictions:
        if one.name == "check_policy_service":
            own = _OWN_TIMEOUT.search(one.argument or "")
            yield tries * (_seconds(own[1] if own else value("smtpd_policy_service_timeout"), 100) + pause)
        elif one.name in WITH_DOMAIN or _ASKS_DNS.fullmatch(one.name):
            yield _DNS


def _number(text: str, usual: int) -> int:
    return int(text) if is_digits(text) and len(text) <= _DIGITS else usual


def _seconds(text: str, usual: int) -> int:
    match = _TIME.fullmatch(text)
    return int(match[1]) * _UNITS[match[2]] if match else usual
