"""Every rule can be allowed at a line, or there is a reason why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.desired.allowances import STAGED
from reconciler.desired.explanations import explanations
from reconciler.desired.lint import EXPLAINED, lint
from reconciler.features.composition import compose
from tests.unit.desired.test_explanations import emitted
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from collections.abc import Iterable

# Why a rule can't be allowed, with the rules of which that is true.
NEVER = {
    "without it the commit can't be read": """
        ambiguous-table bad-code bad-expectation commit-too-large duplicate-service empty-state file-too-large
        invalid-file invalid-table invalid-value malformed-entry malformed-parameter malformed-recipient
        malformed-service merge-marks missing-key missing-secret null-value object-too-large service-without-command
        submodule symlink
        too-many-files too-many-findings unknown-key unreadable-yaml unsafe-path unusual-character unusual-encoding
    """,
    "what is wanted can't be made": "secret-not-opened silent-companion",
    "it has a trailer or a command of its own": "not-confirmed quarantined branch-rewound too-many-deletions",
    "it is about an allowance, or about other findings": """
        bad-allowance more-findings site-allowance site-left-out unused-allowance
    """,
    "no line causes it: the host or reconciler does": """
        branch-deleted broken-certificate companion-in-use file-in-the-way internal-error no-way-back not-rehearsed
        not-requeued sendmail-fails stopped-meanwhile
    """,
    "`reconciler import` finds it, before there is a commit": "not-importable password-in-main-cf",
    "nothing can be said of what was not seen": "rehearsal-exceeds",
    "mail does not flow": "activation cause-in-traffic mail-waits master-died turned-away",
}
NOT_ALLOWED = {rule for rules in NEVER.values() for rule in rules.split()}


def not_allowed(rules: Iterable[str]) -> set[str]:
    """Return the rules for which a comment is not accepted."""
    listed = list(rules)
    rows = (f"# allow {rule}: a reason\na{number}@r.example OK\n" for number, rule in enumerate(listed))
    state = desired(files={"tables/relay_recipients": "".join(rows)})
    findings = lint(state, HOST, compose(state, HOST))
    return {listed[one.where.line // 2] for one in findings if one.rule == "bad-allowance"}


def test_every_rule_can_be_allowed_or_has_a_reason_why_not() -> None:
    every = explanations().keys()
    assert every >= NOT_ALLOWED
    assert not_allowed(every) == NOT_ALLOWED


def test_what_is_found_after_the_rules_is_allowed_there() -> None:
    """A finding of a later stage whose name only the rules' own allowances know could not be allowed at all."""
    later = {rule for folder in ("apply", "rehearsal", "host/programs") for rule in emitted(f"reconciler/{folder}")}
    assert later - NOT_ALLOWED <= STAGED
    assert not STAGED & NOT_ALLOWED
    assert {"nft-refuses", "foreign-rspamd"} <= EXPLAINED.keys() & STAGED
