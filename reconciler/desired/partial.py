"""A commit that can't be read as a whole is judged as far as it can be: all of its errors are reported at once.

also_wrong() returns what the rules find in the rest. A finding that may only follow from what is lost is left out: of
the rules, those in ALONE judge a value, a row or a service by itself; those in EXISTENCE say that a name is unknown;
and neither is believed about a name that stands in what is lost. Pure. Raises InvalidSource for a commit beyond its
budget.

Known limit: other rules speak again when everything can be read.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.desired.lint import lint
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from reconciler.desired.budget import Budget
    from reconciler.desired.load import PartlyRead
    from reconciler.model import Contribution, Facts, Finding

ALONE = names(
    """
    bad-destination bad-dns-list bad-network bad-value bare-sender-domain commented-entry domain-never-matches
    duplicate-entry empty-value endless-class incomplete-restriction jailed-service key-never-matches malformed-address
    malformed-domain malformed-endpoint malformed-entry malformed-fingerprint malformed-key malformed-network
    malformed-nexthop malformed-reference malformed-time missing-file missing-program not-an-address odd-time
    option-twice process-limit read-only-parameter recursive-value shared-address shared-domain site-service
    too-many-recipients unknown-action unknown-attribute unknown-port unknown-program unknown-restriction
    unknown-table-type unprivileged-service unreachable-restriction value-too-large
    """
)
EXISTENCE = names(
    "nobody-there undefined-class undefined-name unknown-parameter unknown-service unknown-table unknown-transport"
)
_OF_ROWS = names("duplicate-entry malformed-entry")
_WORD = re.compile(r"[A-Za-z0-9_][\w@.-]*", re.ASCII)
_QUOTED = re.compile(r'"([^"]*)"')
_ASIDE = re.compile("flows/|dns/")  # no setting depends on them
_GENERAL = names(
    """
    aliases cf dns flows hosts mail mail.yaml main master.d parameters secrets services site.yaml sites smart_host
    tables transports tls yaml
    """
)


def also_wrong(error: PartlyRead, facts: Facts, merged: Contribution, budget: Budget | None = None) -> list[Finding]:
    """Return what is wrong with the rest of a commit, apart from what may follow from what is lost."""
    found = lint(replace(error.rest, findings=()), facts, merged, budget)
    told = {(one.rule, one.where.file, one.where.line) for one in error.findings}
    lines = {(one.where.file, one.where.line) for one in error.findings if one.where.line > 1 or one.where.column > 1}
    lost = _lost(error)
    believed = _OF_ROWS if error.whole else ALONE | EXISTENCE
    return [
        one
        for one in found
        if one.rule in believed
        and (one.where.file, one.where.line) not in lines
        and (one.rule, one.where.file, one.where.line) not in told
        and (one.rule in _OF_ROWS or lost.isdisjoint(_words("-", one.subject, *_QUOTED.findall(one.text))))
    ]


def _lost(error: PartlyRead) -> set[str]:
    """Return the names that stand in what could not be read."""
    told = [
        (one.subject, one.where.file) for one in error.findings if one.is_error and not _ASIDE.match(one.where.file)
    ]
    return _words("[.-]", *error.lost, *(text for one in told for text in one)) - _GENERAL


def _words(between: str, *texts: str) -> set[str]:
    """Return the names in texts, and the parts of each name."""
    whole = {word for text in texts for word in _WORD.findall(text)}
    return whole | {part for word in whole for part in re.split(between, word) if part and not is_digits(part)}
