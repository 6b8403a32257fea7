"""Postfix ignores what the findings say that it ignores, and does what was meant once it is written as they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = "# allow {}: to see what Postfix does"
IGNORED = {
    "mail.yaml": f"""{MAIL}\
  relayhost: "[127.0.0.1]:2601"
  default_transport: "smtp:[127.0.0.1]:2602"
  luser_relay: root
  smtpd_helo_restrictions: check_helo_access table:helos
  {SHOWN.format("domain-never-matches")}
  relay_domains: "*.r.example"
""",
    "tables/helos": f"{SHOWN.format('key-never-matches')}\n.spam.example REJECT\n",
    "tables/tls_policy": f"{SHOWN.format('policy-not-found')}\n127.0.0.1 encrypt\n",
    "tables/hc.regexp": "/^X-Secret:/ REJECT\n",
    "master.d/x.cf": "127.0.0.1:2626 inet n - n - - smtpd\n  -o header_checks=regexp:$config_directory/hc\n",
}
MEANT = {
    "mail.yaml": f"""{MAIL}\
  default_transport: "smtp:[127.0.0.1]:2602"
  local_recipient_maps: ""
  luser_relay: root
  smtpd_helo_restrictions: check_helo_access table:helos
  relay_domains: r.example
""",
    "tables/helos": "spam.example REJECT\n",
    "tables/tls_policy": "[127.0.0.1]:2602 encrypt\n",
    "tables/hc.regexp": IGNORED["tables/hc.regexp"],
    "master.d/x.cf": """\
127.0.0.1:2626 inet n - n - - smtpd
  -o cleanup_service_name=checked
checked unix n - n - 0 cleanup
  -o header_checks=regexp:$config_directory/hc
""",
}
FAR = "ada@far.test"
SECRET = "Subject: test\nX-Secret: yes\n\nHello."


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost() as made:
        made.host.sink(2601)
        made.host.sink(2602)
        yield made


def rcpt(adopted: AdoptedHost, recipient: str, helo: str = "c.test", address: str = "127.0.0.1") -> str:
    """The answer to a recipient."""
    lines = [f"HELO {helo}", "MAIL FROM:<a@mx1.example.com>", f"RCPT TO:<{recipient}>"]
    return adopted.host.dialogue(lines, address=address)[-1]


def test_postfix_ignores_what_the_findings_say_and_does_what_they_advise(adopted: AdoptedHost) -> None:
    pushed = adopted.push(IGNORED, "Ignored")
    assert pushed.accepted, pushed.text
    for said in (
        "relayhost has no effect", "luser_relay has no effect", "smtpd does not read header_checks",
        'relay_domains: "*.r.example" never matches', 'key ".spam.example" never matches',
        'key "127.0.0.1" is not the next hop "[127.0.0.1]:',
    ):  # fmt: skip
        assert said in pushed.text
    assert adopted.host.send("a@mx1.example.com", FAR, SECRET, port=2626).startswith("250")
    adopted.host.wait_for(lambda: adopted.host.received(2602), what="the message, in clear text")
    assert not adopted.host.received(2601)
    assert rcpt(adopted, FAR, "a.spam.example").startswith("250")
    assert rcpt(adopted, "b@a.r.example", address="192.0.2.10")[:3] in {"454", "554"}
    assert rcpt(adopted, "nosuchuser@mx1.example.com").startswith("550")

    pushed = adopted.push(MEANT, "Meant")
    assert pushed.accepted, pushed.text
    assert "has no effect" not in pushed.text
    assert "never matches" not in pushed.text
    assert adopted.host.send("a@mx1.example.com", FAR, SECRET, port=2626).startswith("5")
    assert adopted.host.send("a@mx1.example.com", FAR).startswith("250")
    adopted.host.wait_for(lambda: "TLS is required" in adopted.host.mail_log(), what="the policy")
    assert len(adopted.host.received(2602)) == 1
    assert rcpt(adopted, FAR, "a.spam.example").startswith("554")
    assert rcpt(adopted, "b@a.r.example", address="192.0.2.10").startswith("250")
    assert rcpt(adopted, "nosuchuser@mx1.example.com").startswith("250")


def test_a_word_of_a_newer_postfix_is_refused_and_the_rehearsal_shows_that_this_one_would_keep_the_mail(
    adopted: AdoptedHost,
) -> None:
    row = "[127.0.0.1]:2602 encrypt policy_type=sts\n"
    refused = adopted.push(MEANT | {"tables/tls_policy": row}, "Newer")
    assert not refused.accepted
    assert 'tables/tls_policy:1:1: table tls_policy: "[127.0.0.1]:2602": attribute "policy_type=sts"' in refused.text
    allowed = adopted.push(MEANT | {"tables/tls_policy": f"{SHOWN.format('unknown-policy')}\n{row}"}, "Allowed")
    assert not allowed.accepted
    assert 'next-hop destination "[127.0.0.1]:2602": invalid attribute name: "policy_type"' in allowed.text
    assert "smtp can't deliver: client TLS configuration problem" in allowed.text
