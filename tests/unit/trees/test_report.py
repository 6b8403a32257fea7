"""What people read: changes, plans, findings and outcomes as lines that fit a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model import (
    Activation,
    Applied,
    Broken,
    Change,
    Effect,
    Finding,
    Kind,
    Outcome,
    Plan,
    Postponed,
    Refused,
    RolledBack,
    Severity,
    Superseded,
    Unchanged,
    Where,
)
from reconciler.postfix.root_equivalent import ROOT, Power
from reconciler.trees.changes import MOST
from reconciler.trees.report import (
    ALIKE,
    finding_lines,
    flow_line,
    grouped_lines,
    needs,
    outcome_lines,
    plan_lines,
    power_lines,
    probation_line,
    push_lines,
)

AFTER = Finding(rule="mail-waits", where=Where("a"), text="waits", subject="s", severity=Severity.WARNING)
WARNING = Finding(rule="w", where=Where("a", 1), text="doubtful", subject="", severity=Severity.WARNING)
ERROR = Finding(rule="not-confirmed", where=Where("b", 2), text="wrong", subject="")


def plan(*steps: Activation, what: str = "main.cf") -> Plan:
    change = Change(kind=Kind.FILE, what=what, before="a", after="b")
    return Plan(live={}, target={}, changes=(change,) if steps else (), steps=steps)


def changed(effect: Effect = Effect.DIFFERENT, before: str | None = "x") -> Change:
    return Change(kind=Kind.PARAMETER, what="smtpd_banner", before=before, after="y", effect=effect)


def test_a_plan_says_what_it_needs() -> None:
    assert list(plan_lines(plan())) == ["  no changes"]
    assert list(plan_lines(plan(Activation.RELOAD))) == ["  ~ main.cf  a -> b", "", "  1 changed", "  needs a reload"]
    beside = plan(Activation.NOTHING, what="../rspamd/x")
    assert list(plan_lines(beside))[-1] == "  needs nothing of Postfix, only of rspamd"
    assert (needs(beside), needs(plan(Activation.RESTART)), needs(plan())) == ("rspamd", "restart", "nothing")


def test_a_plan_is_grouped_by_what_its_changes_do_to_mail() -> None:
    shown = [changed(Effect.DEFAULT, None), changed(Effect.SAME), changed(), changed()]
    implied = [replace(changed(), what="append_dot_mydomain")]

    assert list(grouped_lines(shown, implied=implied)) == [
        "treated differently:", "  ~ smtpd_banner  x -> y", "  ~ smtpd_banner  x -> y",
        "defaults that change with compatibility_level:", "  ~ append_dot_mydomain  x -> y", "",
        "the same, written differently:", "  ~ smtpd_banner  x -> y", "",
        "defaults, written out or left out:", "  + smtpd_banner  y", "",
        "  3 changed, 1 added",
    ]  # fmt: skip
    assert list(grouped_lines([changed(Effect.SAME)])) == [
        "the same, written differently:", "  ~ smtpd_banner  x -> y", "", "  1 changed: nothing is treated differently",
    ]  # fmt: skip


def test_a_push_shows_what_is_treated_differently_and_counts_the_rest() -> None:
    assert list(push_lines([changed(Effect.SAME), changed(), changed(Effect.DEFAULT)], [])) == [
        "  ~ smtpd_banner  x -> y", "  and 2 written differently, or as a default, with the same effect",
        "  3 changed", "",
    ]  # fmt: skip
    assert list(push_lines([changed(Effect.SAME)], [])) == [
        "  ~ smtpd_banner  x -> y", "  nothing is treated differently", "",
    ]  # fmt: skip
    assert list(push_lines([changed()], [])) == ["  ~ smtpd_banner  x -> y", ""]


def test_errors_come_first_and_a_push_without_changes_says_so() -> None:
    told = list(finding_lines([WARNING, ERROR]))
    assert told == [
        f"b:2:1: wrong  [{ERROR.rule}]",
        f"a:1:1: warning: doubtful  [{WARNING.rule}]",
        "1 error, 1 warning",
    ]
    told = list(push_lines([], [WARNING]))
    assert told == ["  no changes for this host", f"  a:1:1: warning: doubtful  [{WARNING.rule}]", ""]


def test_the_rights_that_a_push_gives_its_author_are_named_root_first_and_safe_for_a_terminal() -> None:
    vmail = Power("runs commands as vmail", "service x/unix", "pipe", Where("master.d/a.cf"))
    root = Power(ROOT, "debugger\x1b_command", "/a", Where("mail.yaml", 12, 3))

    assert list(push_lines([], [], [vmail, root]))[1:3] == [
        r"  this makes its author root: debugger\x1b_command (mail.yaml:12:3)",
        "  this runs commands as vmail: service x/unix (master.d/a.cf:1:1)",
    ]
    assert len(list(power_lines([vmail] * (MOST + 5)))) == MOST + 1
    assert list(power_lines([vmail] * (MOST + 5)))[-1].startswith("  ... and 5 more")


def test_flows_are_counted_where_they_were_played() -> None:
    failed = Finding(rule="flow-fails", where=Where("flows/a.yaml"), text="", subject="")

    assert flow_line(3, [failed, WARNING], played=True) == "flows: 2 of 3 passed"
    assert flow_line(3, [], played=False) == "flows: 3 not run, there was no rehearsal"


@pytest.mark.parametrize(
    ("outcome", "generation", "lines"),
    [
        (Applied((WARNING, AFTER), verified="2 listeners"), 4, [
            "live after 1.2 s as generation 4 (3 stays for a rollback)", "verified: 2 listeners",
            "  a:1:1: warning: waits  [mail-waits]"]),
        (Applied((WARNING, replace(AFTER, rule="mail-refused")), verified="2 listeners"), 4, [
            "live and verified after 1.2 s as generation 4 (3 stays for a rollback)", "verified: 2 listeners",
            "  a:1:1: warning: waits  [mail-refused]"]),
        (Applied(), 4, ["live after 1.2 s as generation 4 (3 stays for a rollback)",
                        "not verified: Postfix does not run, or need not read it"]),
        (Unchanged(), 4, ["nothing to do: the live configuration already matches this commit (generation 4)"]),
        (Unchanged((), {"site12": "3f2a9c1d", "site13": ""}), 4, [
            "nothing to do: the live configuration already matches this commit (generation 4)",
            "site12 is left out and stays as in 3f2a9c1", "site13 is left out and nothing of it is live"]),
        (Refused((ERROR,)), 4, ["refused, nothing changed", "  b:2:1: wrong  [not-confirmed]",
                                "generation 4 (abc1234) stays live"]),
        (Refused(()), None, ["refused, nothing changed", "no generation is live yet"]),
        (RolledBack((ERROR,)), 4, ["rolled back after 1.2 s: no operator confirmed it in time",
                                   "  b:2:1: wrong  [not-confirmed]",
                                   "generation 4 (abc1234) is live again"]),
        (RolledBack((WARNING,)), 4, ["rolled back after 1.2 s: it failed activation or verification",
                                     "  a:1:1: warning: doubtful  [w]", "generation 4 (abc1234) is live again"]),
        (Broken(()), 4, ["BROKEN: the commit failed, and the rollback failed too; an administrator must act now"]),
        (Postponed("dpkg works"), 4, ["postponed: dpkg works", "generation 4 (abc1234) stays live"]),
        (Superseded("0123456789"), 4, ["superseded by 0123456, which was pushed right after it"]),
    ],
)  # fmt: skip
def test_an_outcome_says_what_is_live_now(outcome: Outcome, generation: int | None, lines: list[str]) -> None:
    assert list(outcome_lines(outcome, 1.23, generation, "abc1234")) == lines


def test_a_probation_says_what_ends_it() -> None:
    phase = {"until": "2026-11-22T12:30:00+00:00", "confirm": True}

    assert probation_line(phase).endswith("unless `reconciler confirm` is run")
    assert probation_line(phase | {"confirm": False}).startswith("watching real traffic until ")


def test_alike_findings_are_one_line_and_a_number() -> None:
    sites = [replace(WARNING, where=Where(f"sites/site{number:03}/site.yaml", 2)) for number in range(212)]
    assert list(finding_lines([ERROR, *sites])) == [
        f"b:2:1: wrong  [{ERROR.rule}]",
        f"sites/site000/site.yaml:2:1: warning: doubtful  [{WARNING.rule}]",
        f"  and 211 more of {WARNING.rule}, the next at sites/site001/site.yaml:2:1",
        "1 error, 212 warnings",
    ]
    assert len(list(finding_lines(sites[:ALIKE]))) == ALIKE + 1


def test_a_flow_that_fails_comes_after_its_cause() -> None:
    flow = replace(ERROR, rule="flow-fails", where=Where("a"), text="flow bounced")
    assert [*finding_lines([flow, ERROR])][:2] == [f"b:2:1: wrong  [{ERROR.rule}]", "a:1:1: flow bounced  [flow-fails]"]


def test_a_warning_that_was_known_before_is_only_counted_and_an_error_never() -> None:
    moved, other = replace(WARNING, where=Where("a", 9)), replace(WARNING, text="doubtful in another way")
    known = {WARNING.told, ERROR.told}
    assert list(finding_lines([moved, ERROR], known)) == [
        f"b:2:1: wrong  [{ERROR.rule}]",
        "1 warning as before; `reconciler explain` shows it",
    ]
    assert list(finding_lines([moved, WARNING, other], known)) == [
        f"a:1:1: warning: doubtful in another way  [{WARNING.rule}]",
        "2 warnings as before; `reconciler explain` shows them",
    ]
    assert list(push_lines([], [moved], standing=known))[1] == "  1 warning as before; `reconciler explain` shows it"
    assert list(finding_lines([moved], {other.told})) == [f"a:9:1: warning: doubtful  [{WARNING.rule}]"]
