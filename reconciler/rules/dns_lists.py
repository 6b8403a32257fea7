"""DNS lists must be written as postscreen and smtpd can read them, and must be able to decide something.

postscreen exits on a site that it can't read, and its port answers no client; smtpd exits when it asks a list whose
filter it can't read (ip_match.c, postscreen_dnsbl.c, smtpd_check.c). Raises nothing.

Known limit: whether a list still answers is not known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import meant, nothing_mentioned
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.numbers import as_number
from reconciler.postfix.restrictions import LISTS, WITH_DOMAIN, classes_of, parsed
from reconciler.postfix.scopes import scopes, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter
    from reconciler.postfix.scopes import Scope

_SITES, _ACTION, _THRESHOLD = "postscreen_dnsbl_sites", "postscreen_dnsbl_action", "postscreen_dnsbl_threshold"
_PARTS = re.compile(r"(?P<domain>[^*=]*)(?:=(?P<filter>[^*]*))?(?:\*(?P<weight>.*))?\Z", re.DOTALL)
_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"(?=.{{1,255}}\Z)(?=[^A-Za-z_-]*[A-Za-z_-]){_LABEL}(?:\.{_LABEL})*\Z")
_WEIGHT = re.compile(r"[+-]?\d{1,9}\Z", re.ASCII)
_OCTETS = re.compile(r"\[[^\[\]]*\]|[^.\[\]]+")
_RANGE = re.compile(r"(\d+)(?:\.\.(\d+))?\Z", re.ASCII)
_FOUR, _LARGEST = 4, 255


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that postscreen and smtpd can read each DNS list, and that those of postscreen can block a client."""
    for scope in scopes(merged, facts):
        lists = {*LISTS, *classes_of(scope)}
        for parameter in scope.written:
            if parameter.name == _SITES:
                yield from _sites(scope, parameter)
            elif parameter.name in lists:
                yield from _restrictions(scope, parameter)
    for scope in scopes(merged, facts):
        if scope.service and scope.service.command == "postscreen":
            yield from _in_vain(scope)


# ---- what can't be read ----------------------------------------------------------------------------------------------


def _sites(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    for word in words(scope.expanded(parameter.value) or ""):
        if problem := site_problem(word):
            what = f"{parameter.name}: {problem}: postscreen would exit, and its port would answer no client"
            yield scope.finding("bad-dns-list", parameter, _with_hint(what, word), word)


def _restrictions(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    for restriction in parsed(scope.expanded(parameter.value) or ""):
        site = restriction.argument or ""
        _, equals, pattern = site.partition("=")
        if restriction.name in WITH_DOMAIN and equals and (problem := _filter_problem(pattern)):
            then = "smtpd would exit when it asks the list, and clients would get no answer"
            what = f"{parameter.name}: {restriction.name} {site}: {problem}: {then}"
            yield scope.finding("bad-dns-list", parameter, _with_hint(what, site), site)


def site_problem(site: str) -> str | None:
    """Return the problem with one word of postscreen_dnsbl_sites, ``DOMAIN[=FILTER][*WEIGHT]``, or None."""
    match = _PARTS.match(site)
    if not match or not _DOMAIN.match(match["domain"]):
        return f'"{site}" must begin with a domain, as in bl.example.com=127.0.0.[2..11]*2, without blanks'
    if match["weight"] is not None and not _WEIGHT.match(match["weight"]):
        return f'the weight "{match["weight"]}" of "{site}" must be a number such as 2 or -1, at the end'
    problem = _filter_problem(match["filter"]) if match["filter"] is not None else None
    return f'"{site}": {problem}' if problem else None


def _filter_problem(pattern: str) -> str | None:
    octets = _OCTETS.findall(pattern)
    if ".".join(octets) != pattern or len(octets) != _FOUR:
        return f'the filter "{pattern}" must have four numbers, such as 127.0.0.2 or 127.0.0.[2;4..11]'
    for octet in octets:
        for part in octet.strip("[]").split(";"):
            match = _RANGE.match(part) if octet.startswith("[") or is_digits(part) else None
            first, last = (as_number(match[1]), as_number(match[2] or match[1])) if match else (1, 0)
            if not first <= last <= _LARGEST:
                return f'the filter "{pattern}" has "{octet}", not a number up to 255 or a list such as [2;4..11]'
    return None


def _with_hint(text: str, site: str) -> str:
    """Return the text, with the site as it was probably meant: ``[2-11]`` for ``[2..11]``, ``[2,4]`` for ``[2;4]``."""
    likely = re.sub(r"(?<=\d)(?:-|\.{3}|:|\.(?=\d+\]))(?=\d+[;\]])", "..", site, flags=re.ASCII)
    return text + meant(likely if likely != site and site_problem(likely) is None else None)


# ---- what decides nothing --------------------------------------------------------------------------------------------


def _in_vain(scope: Scope) -> Iterator[Finding]:
    """Yield a warning if no client can be blocked by the DNS lists of a postscreen."""
    parameter = scope.parameter(_SITES)
    sites = [match for word in scope.words(_SITES) if not site_problem(word) and (match := _PARTS.match(word))]
    weights = [int(match["weight"] or "1") for match in sites]
    if not parameter or not sites or min(weights) < 0:  # those who use lists of good clients skip tests by them
        return
    threshold = scope.value(_THRESHOLD)
    place = scope.place_of(parameter)
    if scope.value(_ACTION).lower() == "ignore":
        what = f"{_ACTION} is ignore: a client on one of these lists is only logged; set it to enforce or drop"
        yield place.warning("dns-list-in-vain", parameter, f"{_SITES}: {what}")
    elif is_digits(threshold) and sum(weights) < as_number(threshold):
        what = f"all weights together are {sum(weights)}, below {_THRESHOLD} ({threshold}): no client is ever blocked"
        yield place.warning("dns-list-in-vain", parameter, f"{_SITES}: {what}")


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "bad-dns-list": (
        "A DNS list has a domain, a filter or a weight that Postfix can't read. postscreen exits when it starts, and "
        "its port answers no client; smtpd exits in a session. Write DOMAIN=FILTER*WEIGHT without blanks. "
        "A filter has four numbers; in brackets, a semicolon separates numbers, and two dots make a range: "
        "127.0.0.[2;4..11]."
    ),
    "dns-list-in-vain": (
        "postscreen asks DNS lists whose answers block no client: postscreen_dnsbl_action is ignore, which is its "
        "default, or the weights together do not reach postscreen_dnsbl_threshold. Set the action to enforce or drop, "
        "or adjust the weights."
    ),
}
