"""``# allow RULE: reason``: a person accepts the findings of one rule on one line, and gives the reason.

The comment stands at the end of that line (YAML), or on a line of its own above it (YAML, tables, master.d). An error
that is allowed becomes a warning that quotes the reason; a warning is no longer shown. In a site's file the comment has
no force: a file of the host allows the findings of a site's file by ``# allow RULE in FILE: reason``, and also those of
a file that has no comments, such as one in files/. Raises nothing.

Known limit: an allowance has no effect on the findings of files that can't be read.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.features.site_files import site_of
from reconciler.model import Allowance, Finding, Where, did_you_mean, warning_at
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

# The rules of Postfix's own programs, of a rehearsal and of a verification, whose findings come after those that need
# only the commit.
STAGED = names(
    """
    auth-not-offered bounce-template fatal-in-log flow-fails foreign-rspamd left-alone listener-fails login-as-another
    login-refused mail-refused master-fails nft-refuses no-mail-in nobody-there nothing-verified postalias postconf
    postfix-check postmap postscreen-refuses queue-left-behind read-back recipient-refused rspamd sendmail-refused
    service-dies service-fails service-silent starttls-not-offered transport-fails warning-in-rehearsal
    """
)
MAY_HOLD = re.compile(rb"#[ \t]*allow[ \t]")
_COMMENT = re.compile(
    r"#[ \t]*allow[ \t]+(?P<rule>[a-z0-9-]+)(?:[ \t]+in[ \t]+(?P<within>[^\s:]+)(?=[ \t]*:))?(?P<colon>[ \t]*:)?"
    r"(?P<rest>[^\n]*)$",
    re.MULTILINE | re.ASCII,
)
_WITH_COMMENTS = re.compile(r"mail\.yaml\Z|(?:flows|hosts|master\.d|tables)/")
_READERS = frozenset({"postconf", "postfix-check"})
_ASIDE = re.compile(r"\n(?:[ \t]*#[^\n]*\n)*")


def found_in(source: bytes, file: str) -> Iterator[Allowance]:
    """Yield the allowances of a table or of master.d, where a comment has a line of its own; fast if there are none."""
    if MAY_HOLD.search(source):
        yield from read(source.decode("utf-8", "surrogateescape"), file, lambda _: True, trailing=False)


def read(text: str, file: str, is_comment: Callable[[int], bool], *, trailing: bool) -> Iterator[Allowance]:
    """Yield the allowances in *text*; *is_comment* returns True for a position at which a comment can begin."""
    line, counted = 1, 0
    for match in _COMMENT.finditer(text):
        start = match.start()
        before = text[text.rfind("\n", 0, start) + 1 : start]
        alone = not before.strip(SPACE)
        if not is_comment(start) or not (
            alone or (trailing and before[-1] in SPACE and before.lstrip(SPACE)[0] != "#")
        ):
            continue
        # Count lines from the previous comment: counting from the start each time would be slow with many comments.
        line, counted = line + text.count("\n", counted, start), start
        last = line + (_next_line(text, match.end()) if alone else 0)
        rest = match["rest"].strip(SPACE)
        where = Where(file, line, len(before) + 1)
        reason, certain = rest if match["colon"] else "", bool(match["colon"])
        yield Allowance(match["rule"], reason, where, last, certain, match["within"] or "")


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
    known = _known(allowances, rules)
    by_place = _by_place(known)
    used = set()
    for finding in findings:
        judged, excuse = _judged(finding, by_place)
        used.add(excuse)
        if judged:
            yield judged
    for allowance in allowances:
        if site_of(allowance.where.file) and allowance.rule in rules:
            yield _finding(
                "site-allowance", allowance, f'"# allow {allowance.rule}" has no force: {_powerless(allowance)}'
            )
        elif allowance not in known:
            yield from _invalid(allowance, rules)
        elif allowance not in used and allowance.rule not in passing:
            what = f'"# allow {allowance.rule}" has no effect: this rule finds nothing here; remove the comment'
            yield _finding("unused-allowance", allowance, what)


def honour_staged(
    findings: Iterable[Finding], allowances: Collection[Allowance], told: Iterable[Finding]
) -> Iterator[Finding]:
    """Yield the findings of Postfix's programs, of a rehearsal and of a verification after all allowances.

    What the rules have *told* and a person has allowed there is not repeated by a program of Postfix.
    """
    by_place = _by_place(_known(allowances, STAGED))
    every = _known(allowances, {one.rule for one in allowances})
    places = {(file, line) for one in every for _, file, line in one.places}
    allowed = {
        (one.where.file, one.where.line, _about(one)) for one in told if (one.where.file, one.where.line) in places
    }
    for finding in findings:
        judged, _ = _judged(finding, by_place)
        repeated = finding.rule in _READERS and (finding.where.file, finding.where.line, _about(finding)) in allowed
        if judged and not repeated:
            yield judged


def _about(finding: Finding) -> str:
    """Return the name of the setting or service that a finding is about."""
    return finding.subject.partition(" ")[0]


def _known(allowances: Collection[Allowance], rules: Collection[str]) -> dict[Allowance, None]:
    """Return the allowances that hold for one of the rules, in order."""
    reasoned = (one for one in allowances if one.certain and one.reason and _is_sound(one))
    return dict.fromkeys(allowance for allowance in reasoned if allowance.rule in rules)


def _by_place(known: Iterable[Allowance]) -> dict[tuple[str, str, int], Allowance]:
    return {place: allowance for allowance in known for place in allowance.places}


def _judged(
    finding: Finding, by_place: Mapping[tuple[str, str, int], Allowance]
) -> tuple[Finding | None, Allowance | None]:
    """Return what is left of a finding, and the allowance that holds for it."""
    rule, file = finding.rule, finding.where.file
    own, whole = by_place.get((rule, file, finding.where.line)), by_place.get((rule, file, 0))
    excuse = whole or (None if own and site_of(own.where.file) else own)
    if excuse:
        return finding.as_warning(f"allowed: {excuse.reason}") if finding.is_error else None, excuse
    if own and finding.is_error:
        return replace(finding, text=f"{finding.text} ({_powerless(own)})"), None
    return finding, None


def _is_sound(allowance: Allowance) -> bool:
    """Return whether no comment in the file that it names, if there is one, has force, and one in its own has."""
    if not allowance.within:
        return True
    has_none = site_of(allowance.within) or not _WITH_COMMENTS.match(allowance.within)
    return bool(has_none) and not site_of(allowance.where.file)


def _powerless(allowance: Allowance) -> str:
    """Return why a comment in a site's file allows nothing, and who can allow it."""
    comment = f"# allow {allowance.rule} in {allowance.where.file}: REASON"
    return (
        f'a site can\'t allow its own findings; the administrator of the host can write "{comment}" in mail.yaml, or'
        " move the setting to a file of the host"
    )


def _invalid(allowance: Allowance, rules: Collection[str]) -> Iterator[Finding]:
    rule, known = allowance.rule, allowance.rule in rules
    if known and allowance.certain and allowance.reason:
        what = f"{allowance.within} may have comments, so it is not named; write # allow {rule}: REASON"
        yield _finding("bad-allowance", allowance, f"{what} at the line itself")
    elif known:
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
        "the line above it; `reconciler explain --all` lists the names."
    ),
    "site-allowance": (
        "A comment in a site's file is meant to allow findings of that file. It has no force, because whoever writes a "
        "site's files could then switch off every rule for them. The administrator of the host can allow the rule for "
        "that file: write # allow RULE in sites/siteNN/FILE: REASON in mail.yaml, or move the setting to a file of the "
        "host, such as tables/NAME. Remove the comment."
    ),
    "unused-allowance": (
        "A comment allows a rule that finds nothing there. If it stays, it hides the next mistake on its line. "
        "Remove the comment."
    ),
}
