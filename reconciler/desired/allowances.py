"""``# allow RULE: reason``: a person accepts the findings of one rule on one line, and gives the reason.

The comment stands at the end of that line (YAML), or on a line of its own above it (YAML, tables, master.d). An error
that is allowed becomes a warning that quotes the reason; a warning is no longer shown. Raises nothing.

Known limit: an allowance has no effect on the findings of Postfix's own programs, or on files that can't be read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Allowance, Finding, Where, did_you_mean, warning_at

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

_MAY_HOLD = re.compile(rb"#[ \t]*allow[ \t]")
_COMMENT = re.compile(r"#[ \t]*allow[ \t]+(?P<rule>[a-z0-9-]+)(?P<colon>[ \t]*:)?(?P<rest>[^\n]*)$", re.MULTILINE)
_ASIDE = re.compile(r"\n(?:[ \t]*#[^\n]*\n)*")


def found_in(source: bytes, file: str) -> Iterator[Allowance]:
    """Yield the allowances of a table or of master.d, where a comment has a line of its own; fast if there are none."""
    if _MAY_HOLD.search(source):
        yield from read(source.decode("utf-8", "surrogateescape"), file, lambda _: True, trailing=False)


def read(text: str, file: str, is_comment: Callable[[int], bool], *, trailing: bool) -> Iterator[Allowance]:
    """Yield the allowances in *text*; *is_comment* returns True for a position at which a comment can begin."""
    line, counted = 1, 0
    for match in _COMMENT.finditer(text):
        start = match.start()
        before = text[text.rfind("\n", 0, start) + 1 : start]
        alone = not before.strip()
        if not is_comment(start) or not (alone or (trailing and before[-1].isspace() and before.lstrip()[0] != "#")):
            continue
        # Count lines from the previous comment: counting from the start each time would be slow with many comments.
        line, counted = line + text.count("\n", counted, start), start
        last = line + (_next_line(text, match.end()) if alone else 0)
        rest = match["rest"].strip()
        where = Where(file, line, len(before) + 1)
        yield Allowance(match["rule"], rest if match["colon"] else "", where, last, certain=bool(match["colon"]))


def _next_line(text: str, end: int) -> int:
    """Return the distance in lines to the next line that is not a comment."""
    aside = _ASIDE.match(text, end)
    return aside.group().count("\n") if aside else 0


def honour(
    findings: Iterable[Finding], allowances: Collection[Allowance], rules: Collection[str], passing: Collection[str]
) -> Iterator[Finding]:
    """Yield the findings after all allowances, and findings about invalid or unused allowances.

    *rules* are the names that can be allowed. The findings of the rules in *passing* come and go with the host, so an
    allowance for one of them is never reported as unused.
    """
    reasoned = (allowance for allowance in allowances if allowance.certain and allowance.reason)
    valid = dict.fromkeys(allowance for allowance in reasoned if allowance.rule in rules)
    by_place = {place: allowance for allowance in valid for place in allowance.places}
    used = set()
    for finding in findings:
        excuse = by_place.get((finding.rule, finding.where.file, finding.where.line))
        if excuse:
            used.add(excuse)
        if not excuse:
            yield finding
        elif finding.is_error:
            yield finding.as_warning(f"allowed: {excuse.reason}")
    for allowance in allowances:
        if allowance not in valid:
            yield from _invalid(allowance, rules)
        elif allowance not in used and allowance.rule not in passing:
            what = f'"# allow {allowance.rule}" has no effect: this rule finds nothing here; remove the comment'
            yield _finding("unused-allowance", allowance, what)


def _invalid(allowance: Allowance, rules: Collection[str]) -> Iterator[Finding]:
    rule, known = allowance.rule, allowance.rule in rules
    if known:
        yield _finding("bad-allowance", allowance, f"it has no effect without a reason; write # allow {rule}: REASON")
    elif allowance.certain or did_you_mean(rule, rules):
        what = f'"# allow {rule}" has no effect: no rule of this name can be allowed{did_you_mean(rule, rules)}'
        yield _finding("bad-allowance", allowance, what)


def _finding(rule: str, allowance: Allowance, text: str) -> Finding:
    return warning_at(rule, allowance.where, text, f"{allowance.where.file} {allowance.rule}")


EXPLAINED = {
    "bad-allowance": (
        "A comment is meant to allow the findings of a rule, but it gives no reason, or names no rule that can be "
        "allowed. It has no effect, and the finding remains. Write # allow RULE: REASON at the end of the line or on "
        "the line above it; `reconciler explain` lists the names."
    ),
    "unused-allowance": (
        "A comment allows a rule that finds nothing there. If it stays, it hides the next mistake on its line. "
        "Remove the comment."
    ),
}
