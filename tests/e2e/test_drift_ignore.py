"""Ignore rules: what they name is left alone, is carried over pushes, is shown, and is put back when they end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.site import MAIL, Site
from tests.e2e.test_drift_commit import BRANCH

POLICIES = ("revert", "commit", "report")


def settings(policy: str, until: datetime | None = None, what: tuple[str, ...] = ("main.cf:smtpd_banner",)) -> str:
    end = (until or datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    rules = ", ".join(f'{{what = "{one}", until = {end}, why = "a trial"}}' for one in what)
    return f'[drift]\npolicy = "{policy}"\nignore = [{rules}]\n'


@pytest.mark.parametrize("policy", POLICIES)
def test_an_ignored_parameter_is_left_alone_over_pushes_and_shown(policy: str) -> None:
    with Site(settings=settings(policy)) as site:
        site.sh("postconf -e smtpd_banner=hello")
        site.host.wait_for(lambda: site.told()["ignored"] == ["main.cf:smtpd_banner"], what="the rule")
        status = site.told()
        assert (status["drift"], status["phase"]) == ([], {"name": "Steady"})
        assert "left alone by ignore rules: main.cf:smtpd_banner" in site.reconciler("status").text
        generation = status["live"]["generation"]
        site.reconciler("once")
        site.reconciler("once")
        assert site.told()["live"]["generation"] == generation, "a pass with nothing to do makes nothing"
        push = site.push({"mail.yaml": MAIL + "  smtpd_helo_required: yes\n  smtpd_banner: pushed\n"})
        assert push.accepted, push.text
        assert "mail.yaml:6:17: warning: main.cf:smtpd_banner was edited by hand and is left alone until" in push.text
        assert "(a trial)" in push.text
        assert (site.postconf("smtpd_banner"), site.postconf("smtpd_helo_required")) == ("hello", "yes")
        assert BRANCH not in site.git("branch", "--list")


def test_beside_what_is_ignored_other_edits_are_put_back_and_kept() -> None:
    with Site(settings=settings("commit", what=("main.cf:smtpd_banner", "transport"))) as site:
        site.sh("postconf -e smtpd_banner=hello mail_name=evil; echo 'new.test  discard:' >>/etc/postfix/transport")
        site.host.wait_for(lambda: BRANCH in site.git("branch", "--list"), what="a commit")
        site.host.wait_for(lambda: site.told()["drift"] == [], what="what was there before")
        assert site.told()["ignored"] == ["main.cf:smtpd_banner", "transport"]
        assert (site.postconf("smtpd_banner"), site.postconf("mail_name")) == ("hello", "Postfix")
        assert "discard:" in site.sh("postmap -q new.test lmdb:/etc/postfix/transport")
        assert site.git("diff", "--stat", "main", BRANCH).startswith("mail.yaml | 1 +")
        assert "mail_name: evil" in site.git("show", f"{BRANCH}:mail.yaml")


@pytest.mark.parametrize("policy", POLICIES)
def test_when_a_rule_ends_the_edit_is_drift_again(policy: str) -> None:
    with Site(daemon=False) as site:
        until = datetime.now(UTC) + timedelta(seconds=8)
        site.host.write("/etc/reconciler.toml", site.host.read("/etc/reconciler.toml") + settings(policy, until))
        site.start_daemon()
        site.sh("postconf -e smtpd_banner=hello")
        site.host.wait_for(lambda: site.told()["ignored"] == ["main.cf:smtpd_banner"], what="the rule")
        assert site.postconf("smtpd_banner") == "hello"
        site.host.wait_for(lambda: not site.told()["ignored"], 20, "its end")
        if policy == "report":
            site.host.wait_for(lambda: site.told()["drift"] == ["main.cf"], what="the report")
            assert site.postconf("smtpd_banner") == "hello"
        else:
            site.host.wait_for(lambda: site.postconf("smtpd_banner") != "hello", what="what was there before")
            site.host.wait_for(lambda: site.told()["drift"] == [], what="nothing to do")
        if policy == "commit":
            site.host.wait_for(lambda: BRANCH in site.git("branch", "--list"), what="a commit")
            assert "smtpd_banner: hello" in site.git("show", f"{BRANCH}:mail.yaml")
        assert any("expired" in limit and "put back again" in limit for limit in site.told()["limits"])


def test_a_rule_about_nothing_is_told() -> None:
    with Site(settings=settings("revert", what=("main.cf:smtpd_baner", "transprot"))) as site:
        limits = "\n".join(site.told()["limits"])
    assert (
        "main.cf:smtpd_baner: Postfix has no such parameter, so it does nothing; did you mean smtpd_banner?" in limits
    )
    assert "transprot: no file of ours has that name, so it does nothing; did you mean transport?" in limits
