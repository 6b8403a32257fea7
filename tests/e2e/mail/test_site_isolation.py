"""One site's error keeps that site as it is live and stops nobody else's commits; mail shows both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import CLONE, MAIL, STATE, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

TWELVE = "sites/site12/site.yaml"
ROUTES = "sites/site12/tables/transport"
SITES = {
    TWELVE: "domains: [twelve.test]\n",
    ROUTES: "twelve.test  smtp:[127.0.0.1]:2526\n",
    "sites/site13/site.yaml": "domains: [thirteen.test]\n",
}
WRONG = {TWELVE: "domains: [twelve.test, thirteen.test]\n", ROUTES: "twelve.test  smtp:[127.0.0.1]:2527\n"}


@pytest.fixture
def adopted() -> Iterator[AdoptedHost]:
    """A host with two sites, and a mail server on each of three ports."""
    with AdoptedHost(state=STATE | SITES) as made:
        for port in (2526, 2527, 2528):
            made.host.sink(port)
        yield made


def arrives(adopted: AdoptedHost, recipient: str, port: int) -> None:
    """Send a message, and wait until it has come to that port."""
    before = len(adopted.host.received(port))
    assert adopted.host.send("a@client.test", recipient).startswith("250 ")
    adopted.host.wait_for(lambda: len(adopted.host.received(port)) > before, what=f"mail for {recipient} at {port}")


def test_a_site_with_an_error_stays_as_it_is_live_and_everything_else_goes_live(adopted: AdoptedHost) -> None:
    old = adopted.tip()
    arrives(adopted, "b@twelve.test", 2526)

    own = adopted.push(WRONG, "Take the domain of site13")
    assert not own.accepted
    assert "sites/site12/site.yaml:1:24: domain" in own.text
    assert "is in site12 (sites/site12/site.yaml:1:24) and in site13 (sites/site13/site.yaml:1:11)" in own.text
    assert adopted.tip() == old

    past = adopted.write_past_hook(WRONG, "The same past the hook")
    status = adopted.wait_for("Unchanged", past)
    assert status["left_out"] == status["last"]["left_out"] == {"site12": old}
    assert status["phase"]["name"] == "Steady"
    arrives(adopted, "b@twelve.test", 2526)

    route = {"tables/transport": f"{STATE['tables/transport']}host.test  smtp:[127.0.0.1]:2528\n"}
    other = adopted.push(route, "A route of the host")
    assert other.accepted, other.text
    assert (
        "sites/site12/site.yaml:1:24: warning: site12 is left out and stays as it is live, because: domain"
        in other.text
    )
    assert f"site12 is left out and stays as in {old[:7]}" in other.text
    arrives(adopted, "b@host.test", 2528)
    arrives(adopted, "b@twelve.test", 2526)

    (line, *_) = adopted.log(other.oid)
    assert (line["outcome"], line["left_out"]) == ("Applied", {"site12": old})
    assert f"site12 is left out and stays as in {old[:7]}" in adopted.notes(other.oid)
    shown = adopted.reconciler("status").text
    assert "limit      sites/ is no security boundary" in shown
    assert f"site12 is left out and stays as in {old[:7]}" in shown
    plan = adopted.reconciler("plan")
    assert plan.status == 0
    assert "warning: site12 is left out" in plan.text
    assert adopted.reconciler("check").status == 1

    adopted.sh("postconf -e smtpd_banner=edited")
    adopted.patiently(lambda: adopted.postconf("smtpd_banner") != "edited", "the hand edit to be put back")
    arrives(adopted, "b@twelve.test", 2526)

    fixed = adopted.push({TWELVE: SITES[TWELVE]}, "Only our own domain")
    assert fixed.accepted, fixed.text
    assert adopted.wait_for("Applied", fixed.oid)["left_out"] == {}
    arrives(adopted, "b@twelve.test", 2527)


def test_after_a_rollback_and_at_its_removal_a_site_that_is_left_out_stops_nothing(adopted: AdoptedHost) -> None:
    old = adopted.tip()
    broken = {TWELVE: "domains: [twelve.test\n", ROUTES: "twelve.test  smtp:[127.0.0.1]:2527\n"}
    adopted.write_past_hook(broken | {"mail.yaml": MAIL + "  smtpd_banner: first\n"}, "A broken file past the hook")
    adopted.wait_for("Applied", adopted.tip())
    assert adopted.reconciler("rollback").status == 0
    push = adopted.push({"mail.yaml": MAIL + "  smtpd_banner: second\n"}, "On top of it")
    assert push.accepted, push.text
    assert adopted.postconf("smtpd_banner") == "second"
    assert adopted.status()["left_out"] == {"site12": old}
    arrives(adopted, "b@twelve.test", 2526)

    made = adopted.reconciler("set", "smtpd_banner", "third")
    assert made.status == 0, made.text
    assert adopted.postconf("smtpd_banner") == "third"
    gone = adopted.reconciler("site", "remove", "site12")
    assert gone.status == 0, gone.text
    assert "twelve.test" not in adopted.sh("postmap -s lmdb:/etc/postfix/transport")
    assert adopted.status()["left_out"] == {}
    assert "site12" not in adopted.git("ls-tree", "-r", "--name-only", "main")


def test_a_row_that_only_postmap_refuses_leaves_out_its_site(adopted: AdoptedHost) -> None:
    old = adopted.tip()
    broken = {"sites/site12/tables/checks.pcre": "/(?<n>a)(?<n>b)/ WARN\n/[[:nothing:]]/ WARN\n"}
    named = {"mail.yaml": MAIL + "  header_checks: table:checks\n", "tables/checks.pcre": "/^X-No: yes/ WARN\n"}
    first = adopted.push(named, "A filter of the host")
    assert first.accepted, first.text
    own = adopted.push(broken, "An expression that PCRE can't read")
    assert not own.accepted
    adopted.git("fetch", "--quiet", CLONE, "+HEAD:refs/heads/main")
    status = adopted.wait_for("Unchanged", own.oid)
    assert status["left_out"] == {"site12": first.oid}
    push = adopted.push({"tables/transport": f"{STATE['tables/transport']}host.test  smtp:[127.0.0.1]:2528\n"})
    assert push.accepted, push.text
    arrives(adopted, "b@host.test", 2528)
    assert old != first.oid
