"""Mail-flow tests: each thing that a test may expect holds, and fails when it is not so; and who is told of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import CLONE, MAIL, UNREHEARSED, AdoptedHost
from tests.e2e.hosts import Host
from tests.e2e.rehearsal_driver import rehearsed, state

if TYPE_CHECKING:
    from collections.abc import Iterator

PARAMETERS = {
    "mynetworks": "127.0.0.0/8 192.0.2.0/24",
    "smtpd_tls_cert_file": "/etc/ssl/c.pem",
    "smtpd_tls_key_file": "/etc/ssl/k.pem",
    "smtpd_tls_security_level": "may",
    "smtpd_sasl_type": "dovecot",
    "smtpd_sasl_path": "private/auth",
    "masquerade_domains": "example.org",
    "smtpd_helo_restrictions": "check_helo_access inline:{ {bad.example=REJECT} }",
    "smtpd_recipient_restrictions": "check_recipient_access inline:{ {tls@mx1.example.com=reject_plaintext_session} }",
    "header_checks": "regexp:{ {/^X-Bad:/ REJECT} }",
}
FILES = {
    "master.d/more.cf": (
        "submission inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
        "  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n"
        "out unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.10\n  -o smtp_helo_name=out.example.com\n"
    ),
    "tables/transport": "bound.example  out:\nhop.example  smtp:[next.example]:2525\n",
    "tables/virtual": (
        "team@mx1.example.com  ada@far.example, root@mx1.example.com\n"
        "info@mx1.example.com  b@bound.example\ngone@mx1.example.com  nosuch@mx1.example.com\n"
    ),
    "tables/recipient_canonical": "old@mx1.example.com  new@bound.example\n",
    "tables/sender_canonical": "me@mx1.example.com  ada.lovelace@mx1.example.com\n",
    "tables/generic": "root@mx1.example.com  ops@example.com\n",
}
LOCAL = {"client": "127.0.0.1", "from": "root@mx1.example.com"}
# What is expected, what comes true, and what does not.
CASES: dict[str, tuple[dict[str, object], object, object]] = {
    "refused": ({"to": "a@far.example"}, "refused", "accepted"),
    "code": ({"to": "nosuch@mx1.example.com"}, {"refused": "550"}, {"refused": "554"}),
    "class": ({"to": "nosuch@mx1.example.com"}, {"refused": "5xx"}, {"refused": "4xx"}),
    "accepted": ({"to": "root@mx1.example.com"}, "accepted", "refused"),
    "status": ({**LOCAL, "to": "gone@mx1.example.com"}, {"status": "bounced"}, {"status": "sent"}),
    "transport": ({**LOCAL, "to": "x@bound.example"}, {"transport": "out"}, {"transport": "smtp"}),
    "nexthop": ({**LOCAL, "to": "x@hop.example"}, {"nexthop": "[next.example]:2525"}, {"nexthop": "hop.example"}),
    "alias": ({"to": "info@mx1.example.com"}, {"recipient": "b@bound.example"}, {"recipient": "info@mx1.example.com"}),
    "canonical": ({"to": "old@mx1.example.com"}, {"recipient": "new@bound.example"}, {"recipient": "x@y.example"}),
    "several": (
        {"to": "team@mx1.example.com"},
        {"recipient": ["root@mx1.example.com", "ada@far.example"], "transport": "smtp"},
        {"recipient": "ada@far.example"},
    ),
    "sender": (
        {"client": "127.0.0.1", "from": "me@mx1.example.com", "to": "a@far.example"},
        {"sender": "ada.lovelace@mx1.example.com"}, {"sender": "me@mx1.example.com"},
    ),
    "generic": ({**LOCAL, "to": "a@far.example"}, {"sender": "ops@example.com"}, {"sender": "root@mx1.example.com"}),
    "source": ({**LOCAL, "to": "x@bound.example"}, {"source": "192.0.2.10"}, {"source": "192.0.2.11"}),
    "helo": ({**LOCAL, "to": "x@bound.example"}, {"helo": "out.example.com"}, {"helo": "mx1.example.com"}),
    "own helo": ({"helo": "bad.example", "to": "root@mx1.example.com"}, {"refused": "554"}, "accepted"),
    "login": ({"port": "submission", "login": "ada", "to": "a@far.example"}, {"status": "sent"}, "refused"),
    "no login": ({"port": 587, "to": "a@far.example"}, "refused", "accepted"),
    "tls": ({"to": "tls@mx1.example.com"}, {"refused": "550"}, {"refused": "450"}),
    "no tls": ({"tls": False, "to": "tls@mx1.example.com"}, {"refused": "450"}, "accepted"),
    "subnet": ({"client": "192.0.2.77", "to": "a@far.example"}, "accepted", "refused"),
    "header": ({"to": "root@mx1.example.com", "header": {"X-Bad": "1"}}, {"refused": "550"}, "accepted"),
    "nobody": ({"port": 2626, "to": "root@mx1.example.com"}, "refused", "accepted"),
    "names": ({"to": "root@$myhostname"}, {"recipient": "root@mx1.example.com"}, {"recipient": "root@x.example"}),
    "recipients": ({**LOCAL, "to": ["a@far.example", "x@bound.example"]}, {"status": "sent"}, {"transport": "smtp"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def prepared() -> Iterator[Host]:
    with Host() as made:
        script = (
            "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=x -keyout /etc/ssl/k.pem -out /etc/ssl/c.pem"
        )
        made.run("sh", "-c", f"{script}; ip addr add 2001:db8::10/64 dev eth0 nodad")
        yield made


def flows(number: int) -> str:
    """All cases as a file of flows, with the expectation of that number."""
    return json.dumps({name: {**case[0], "expect": case[number]} for name, case in CASES.items()}, indent=1)


def test_every_expectation_holds_where_it_is_true(prepared: Host) -> None:
    done = rehearsed(prepared, state(PARAMETERS, {**FILES, "flows/all.yaml": flows(1)}))
    failed = [one for one in done.findings if "several" not in one]
    assert failed == [], done.log
    [several] = [one for one in done.findings if "several" in one]
    assert several.endswith("expected transport smtp, got local, smtp")


def test_every_expectation_fails_where_it_is_not_true(prepared: Host) -> None:
    done = rehearsed(prepared, state(PARAMETERS, {**FILES, "flows/all.yaml": flows(2)}))
    told = {name: [one for one in done.findings if f'flow "{name}": ' in one] for name in CASES}
    assert [name for name, found in told.items() if len(found) != 1] == [], (done.findings, done.log)
    assert all(one.startswith("flows/all.yaml:") for one in done.findings)
    assert 'expected refused with 554, got "550 5.1.1 <nosuch@mx1.example.com>: Recipient address' in told["code"][0]


def test_a_client_may_have_an_address_of_ipv6(prepared: Host) -> None:
    test = {
        "a stranger": {"client": "2001:db8:1::7", "to": "a@far.example", "expect": "refused"},
        "one of ours": {"client": "2001:db8::77", "to": "a@far.example", "expect": {"status": "sent"}},
    }
    parameters = {"mynetworks": "127.0.0.0/8 [2001:db8::]/64"}
    done = rehearsed(prepared, state(parameters, {"flows/six.yaml": json.dumps(test)}))
    assert done.findings == []


def test_mail_goes_where_its_sender_sends_it(prepared: Host) -> None:
    relays = {"sender_dependent_relayhost_maps": "inline:{ {ada@mx1.example.com=[relay.example]:587} }"}
    test = {
        "ada": LOCAL
        | {"from": "ada@mx1.example.com", "to": "b@far.example", "expect": {"nexthop": "[relay.example]:587"}},
        "root": LOCAL | {"to": "b@far.example", "expect": {"nexthop": "far.example"}},
    }
    assert rehearsed(prepared, state(relays, {"flows/all.yaml": json.dumps(test)})).findings == []


@pytest.mark.parametrize("level", ["may", "encrypt"])
def test_two_hundred_flows_are_played_and_arrive(prepared: Host, level: str) -> None:
    """Where no delivery must be encrypted, most of so many are not."""
    test = {f"flow {n}": LOCAL | {"to": f"user{n}@far.example", "expect": {"status": "sent"}} for n in range(200)}
    done = rehearsed(prepared, state({"smtp_tls_security_level": level}, {"flows/all.yaml": json.dumps(test)}))
    assert done.findings == []
    assert len(done.report["flows"]) == 200
    arrived = {to for one in done.report["received"] for to in one["recipients"]}
    assert arrived >= {f"user{n}@far.example" for n in range(200)}


# ---- who is told -----------------------------------------------------------------------------------------------------

OPEN = "an open relay:\n  to: a@far.example\n  expect: {expect}\n"
LOST = OPEN.format(expect="accepted")
HOLDS = OPEN.format(expect="refused")


def test_a_flow_that_fails_refuses_the_push_and_check_says_so(shared: AdoptedHost) -> None:
    before = shared.live()
    push = shared.push({"mail.yaml": MAIL, "flows/all.yaml": LOST}, "Ask for too much")
    assert not push.accepted
    assert 'flows/all.yaml:1:1: flow "an open relay": expected accepted, got "454 4.7.1' in push.text
    assert shared.live() == before

    checked = shared.reconciler("check", "--tree", CLONE)
    assert (checked.status, checked.text.count("[flow-fails]")) == (1, 1)
    assert 'flows/all.yaml:1:1: flow "an open relay": expected accepted' in checked.text
    told = json.loads(shared.reconciler("check", "--json", "--tree", CLONE).text)
    assert [one["rule"] for one in told["findings"]] == ["flow-fails"]


def test_flows_are_played_though_nothing_else_has_changed(shared: AdoptedHost) -> None:
    push = shared.push({"mail.yaml": MAIL, "flows/all.yaml": HOLDS}, "Only a test")
    assert push.accepted, push.text
    assert "flows: 1 of 1 passed" in push.text
    checked = shared.reconciler("check")
    assert checked.text.endswith("no errors; flows: 1 of 1 passed\n")
    told = json.loads(shared.reconciler("check", "--json").text)
    assert told["flows"] == {"tests": 1, "played": True}
    assert shared.sh("find /var/lib/reconciler/private -name 'check-*'") == ""


def test_flows_that_could_not_be_played_are_told_of() -> None:
    with AdoptedHost(settings=UNREHEARSED) as adopted:
        push = adopted.push(
            {"flows/all.yaml": LOST, "mail.yaml": MAIL + "  disable_vrfy_command: yes\n"}, "No rehearsal"
        )
        assert push.accepted
        assert "flows: 1 not run, there was no rehearsal" in push.text
        assert adopted.reconciler("check").text.endswith("flows: 1 not run, there was no rehearsal\n")
        assert "rehearsal off: rehearsal.mode is off in the settings" in adopted.status()["limits"]


def test_where_namespaces_are_not_permitted_status_says_so_and_pushes_go_on() -> None:
    with AdoptedHost(daemon=False) as adopted:
        adopted.host.start("setpriv", "--bounding-set", "-sys_admin", "reconciler", "run")
        adopted.host.wait_for(adopted.told, what="the daemon")
        pushed = adopted.push(
            {
                "flows/a.yaml": "a:\n  to: postmaster@$myhostname\n  expect: accepted\n",
                "mail.yaml": f"{MAIL}  smtpd_banner: changed ESMTP\n",
            }
        )
        assert pushed.accepted, pushed.text
        assert "flows: 1 not run, there was no rehearsal" in pushed.text
        assert adopted.told()["limits"] == ["rehearsal off: namespaces are not permitted"]
        assert adopted.host.dialogue(["QUIT"])[0] == "220 changed ESMTP"


def test_pushes_are_rehearsed_as_soon_as_the_host_can_hold_a_rehearsal_again() -> None:
    with AdoptedHost() as adopted:
        adopted.sh("mv /usr/bin/ip /usr/bin/ip.away")
        pushed = adopted.push({"mail.yaml": f"{MAIL}  smtpd_banner: first ESMTP\n"})
        assert "checked in" in pushed.text
        assert "rehearsal off: the program ip is not installed" in adopted.told()["limits"]

        adopted.sh("mv /usr/bin/ip.away /usr/bin/ip")

        assert "checked and rehearsed in" in adopted.push({"mail.yaml": f"{MAIL}  smtpd_banner: second ESMTP\n"}).text
        assert not [limit for limit in adopted.told()["limits"] if limit.startswith("rehearsal off")]
