"""Ignore rules: what they name is left alone, is carried over pushes, is shown, and is put back when they end."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.adopted_host import MAIL, UNREHEARSED, AdoptedHost
from tests.e2e.drift.test_drift_commit import BRANCH

POLICIES = ("revert", "commit", "report")


def settings(policy: str, until: datetime | None = None, what: tuple[str, ...] = ("main.cf:smtpd_banner",)) -> str:
    end = (until or datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    rules = ", ".join(f'{{what = "{one}", until = {end}, why = "a trial"}}' for one in what)
    return UNREHEARSED + f'[drift]\npolicy = "{policy}"\nignore = [{rules}]\n'


@pytest.mark.parametrize("policy", POLICIES)
def test_an_ignored_parameter_is_left_alone_over_pushes_and_shown(policy: str) -> None:
    with AdoptedHost(settings=settings(policy)) as adopted:
        adopted.sh("postconf -e smtpd_banner=hello")
        adopted.host.wait_for(lambda: adopted.told()["ignored"] == ["main.cf:smtpd_banner"], what="the rule")
        status = adopted.told()
        assert (status["drift"], status["phase"]) == ([], {"name": "Steady"})
        assert "drift      kept by an ignore rule: main.cf:smtpd_banner" in adopted.reconciler("status").text
        generation = status["live"]["generation"]
        adopted.once()
        adopted.once()
        assert adopted.told()["live"]["generation"] == generation, "a pass with nothing to do makes nothing"
        push = adopted.push({"mail.yaml": MAIL + "  smtpd_helo_required: yes\n  smtpd_banner: pushed\n"})
        assert push.accepted, push.text
        assert "mail.yaml:6:17: warning: main.cf:smtpd_banner was edited by hand and is left alone until" in push.text
        assert "(a trial)" in push.text
        assert (adopted.postconf("smtpd_banner"), adopted.postconf("smtpd_helo_required")) == ("hello", "yes")
        assert BRANCH not in adopted.git("branch", "--list")


def test_beside_what_is_ignored_other_edits_are_put_back_and_kept() -> None:
    with AdoptedHost(settings=settings("commit", what=("main.cf:smtpd_banner", "transport"))) as adopted:
        adopted.sh("postconf -e smtpd_banner=hello mail_name=evil; echo 'new.test  discard:' >>/etc/postfix/transport")
        adopted.host.wait_for(lambda: BRANCH in adopted.git("branch", "--list"), what="a commit")
        adopted.host.wait_for(lambda: adopted.told()["drift"] == [], what="what was there before")
        # A pass may begin between the two edits.
        both = ["main.cf:smtpd_banner", "transport"]
        adopted.host.wait_for(lambda: adopted.told()["ignored"] == both, what="both rules")
        assert (adopted.postconf("smtpd_banner"), adopted.postconf("mail_name")) == ("hello", "Postfix")
        assert "discard:" in adopted.sh("postmap -q new.test lmdb:/etc/postfix/transport")
        assert adopted.git("diff", "--stat", "main", BRANCH).startswith("mail.yaml | 1 +")
        assert "mail_name: evil" in adopted.git("show", f"{BRANCH}:mail.yaml")


@pytest.mark.parametrize("policy", POLICIES)
def test_when_a_rule_ends_the_edit_is_drift_again(policy: str) -> None:
    with AdoptedHost(daemon=False) as adopted:
        began = time.monotonic()
        adopted.start_daemon()
        adopted.stop_daemon()
        until = datetime.now(UTC) + timedelta(seconds=6 + 5 * (time.monotonic() - began))  # on a busy host, later
        adopted.host.write("/etc/reconciler.toml", adopted.host.read("/etc/reconciler.toml") + settings(policy, until))
        adopted.start_daemon()
        adopted.sh("postconf -e smtpd_banner=hello")
        adopted.host.wait_for(lambda: adopted.told()["ignored"] == ["main.cf:smtpd_banner"], what="the rule")
        assert adopted.postconf("smtpd_banner") == "hello"
        adopted.host.wait_for(lambda: not adopted.told()["ignored"], what="its end")
        if policy == "report":
            adopted.host.wait_for(lambda: adopted.told()["drift"] == ["main.cf"], what="the report")
            assert adopted.postconf("smtpd_banner") == "hello"
        else:
            adopted.host.wait_for(lambda: adopted.postconf("smtpd_banner") != "hello", what="what was there before")
            adopted.host.wait_for(lambda: adopted.told()["drift"] == [], what="nothing to do")
        if policy == "commit":
            adopted.host.wait_for(lambda: BRANCH in adopted.git("branch", "--list"), what="a commit")
            assert "smtpd_banner: hello" in adopted.git("show", f"{BRANCH}:mail.yaml")
        assert any("expired" in limit and "reverted again" in limit for limit in adopted.told()["limits"])


def test_a_rule_about_nothing_is_told() -> None:
    with AdoptedHost(settings=settings("revert", what=("main.cf:smtpd_baner", "transprot"))) as adopted:
        limits = "\n".join(adopted.told()["limits"])
    parameter = "main.cf:smtpd_baner: Postfix has no such parameter, so the rule has no effect"
    file = "transprot: reconciler manages no file of that name, so the rule has no effect"
    assert f"{parameter}; did you mean smtpd_banner?" in limits
    assert f"{file}; did you mean transport?" in limits
