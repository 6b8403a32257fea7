"""What an ignore rule leaves alone, and what it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reconciler.model import File
from reconciler.trees.ignore import Rule, holding, left_alone, limits

NOW = datetime(2026, 11, 22, tzinfo=UTC)
BANNER = Rule("main.cf", "smtpd_banner", NOW + timedelta(days=1), "a trial")
TRANSPORT = Rule("transport", "", NOW + timedelta(days=1), "a trial")


def tree(main: str, transport: str = "a b\n") -> dict[str, File]:
    return {"main.cf": File.of(main.encode()), "transport": File.of(transport.encode())}


def test_an_edited_parameter_is_carried_in_its_place() -> None:
    base = tree("# ours\na = 1\nsmtpd_banner = old\nz = 2\n")
    live = tree("a = edited\nz = 2\nsmtpd_banner = by\n  hand\n")
    target, names = left_alone(base, live, base, (), [BANNER])
    assert target["main.cf"].lines() == ["# ours", "a = 1", "smtpd_banner = by hand", "z = 2"]
    assert names == ("main.cf:smtpd_banner",)
    assert left_alone(base, target, base, names, [BANNER]) == (target, names), "and so it stays"


def test_a_parameter_that_was_taken_away_stays_away() -> None:
    base = tree("smtpd_banner = old\nz = 2\n")
    target, _ = left_alone(base, tree("z = 2\n"), base, (), [BANNER])
    assert target["main.cf"].lines() == ["z = 2"]


def test_a_commit_may_change_what_nobody_edited() -> None:
    base, target = tree("smtpd_banner = old\n"), tree("smtpd_banner = new\n", "c d\n")
    assert left_alone(target, base, base, (), [BANNER, TRANSPORT]) == (target, ())


def test_without_the_commit_that_is_live_only_what_was_carried_before_is_carried() -> None:
    live, target = tree("smtpd_banner = hand\n", "hand x\n"), tree("smtpd_banner = new\n")
    result, names = left_alone(target, live, None, ("transport",), [BANNER, TRANSPORT])
    assert names == ("transport",)
    assert (result["transport"], result["main.cf"]) == (live["transport"], target["main.cf"])


def test_a_file_that_is_gone_or_no_file_is_not_left_alone() -> None:
    base = tree("")
    odd = {"main.cf": base["main.cf"], "transport": File("not a regular file", 0o755, "root:root", bytes)}
    for live in ({"main.cf": base["main.cf"]}, odd):
        assert left_alone(base, live, base, (), [TRANSPORT]) == (base, ())


def test_a_rule_ends() -> None:
    assert holding([BANNER], NOW) == (BANNER,)
    assert holding([BANNER], BANNER.until) == ()
    assert list(limits([BANNER], BANNER.until, ["main.cf"], ["smtpd_banner"])) == [
        "ignore rule main.cf:smtpd_banner expired on 2026-11-23 00:00: drift is reverted again"
    ]
