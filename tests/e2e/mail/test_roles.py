"""What the rules about roles say of mail is what Postfix does: one host is wrong in many ways at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.hosts import NAME, Host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.mail_sink import Received

SINK = "smtp:[127.0.0.1]:2525"
PARAMETERS = {
    "mydestination": f"{NAME}, localhost, m.example",
    "virtual_mailbox_domains": "v.example, m.example",
    "virtual_mailbox_maps": "inline:{ada@m.example=x, ada@v.example=x, bob@v.example=x}",
    "virtual_transport": SINK,
    "default_transport": SINK,
    "virtual_alias_maps": "inline:{@v.example=ada@v.example}",
    "transport_maps": "inline:{{generic.example = generic:[127.0.0.1]:2525}}",
    "recipient_bcc_maps": "inline:{{copy@far.example = a@far.example, b@far.example}}",
    "recipient_canonical_maps": "inline:{{two@far.example = one@far.example, other@far.example}}",
    "smtpd_sender_restrictions": "check_sender_access regexp:{{/^[^@]*$$/ REJECT}}",
    "smtp_tls_security_level": "none",
}
GENERIC = "generic/unix=generic unix - - n - - smtp -o smtp_generic_maps=static:me@near.example"
BESIDE = "192.0.2.10:smtp/inet=192.0.2.10:smtp inet n - n - - smtpd -o myhostname=second.example"
FROM = "eve@far.example"


@pytest.fixture(scope="module")
def wrong() -> Iterator[Host]:
    """A host whose sink takes what leaves it."""
    with Host(postfix=True) as made:
        made.run("postconf", "-e", "inet_interfaces=all", *(f"{name}={value}" for name, value in PARAMETERS.items()))
        for service in (GENERIC, BESIDE):
            made.run("postconf", "-M", service)
        made.sink(2525)
        made.run("postfix", "stop")
        made.start_postfix()
        made.wait_for(lambda: made.send(FROM, "root").startswith("250"), what="the first mail")
        yield made


def arrived(host: Host, recipient: str) -> list[Received]:
    return [one for one in host.received(2525) if recipient in one.recipients]


def test_the_first_class_of_two_turns_away_the_recipients_of_the_other(wrong: Host) -> None:
    assert wrong.send(FROM, "ada@m.example").startswith("550")
    assert wrong.send(FROM, "ada@v.example").startswith("250")


def test_a_catch_all_takes_the_mail_of_a_mailbox_that_exists(wrong: Host) -> None:
    assert wrong.send(FROM, "bob@v.example", "Subject: for bob\n\nHello.").startswith("250")
    wrong.wait_for(lambda: [one for one in arrived(wrong, "ada@v.example") if "for bob" in one.data], what="the mail")
    assert arrived(wrong, "bob@v.example") == []


def test_a_pattern_for_senders_without_a_domain_refuses_bounces(wrong: Host) -> None:
    assert wrong.send("", "root").startswith("554")
    assert wrong.send(FROM, "root").startswith("250")


def test_generic_maps_rewrite_recipients_too(wrong: Host) -> None:
    assert wrong.send(FROM, "eve@generic.example").startswith("250")
    wrong.wait_for(lambda: arrived(wrong, "me@near.example"), what="the mail")
    assert arrived(wrong, "eve@generic.example") == []


def test_two_addresses_in_place_of_one_are_one_of_both_or_lose_the_second(wrong: Host) -> None:
    assert wrong.send(FROM, "copy@far.example").startswith("250")
    assert wrong.send(FROM, "two@far.example").startswith("250")
    both = 'to=<"a@far.example, b"@far.example>'
    wrong.wait_for(lambda: both in wrong.mail_log(), what="the copy, to one address of both")
    wrong.wait_for(lambda: arrived(wrong, "one@far.example"), what="the first of two")
    assert arrived(wrong, "other@far.example") == []


def test_a_listener_on_one_address_takes_all_of_its_connections(wrong: Host) -> None:
    banners = [(address, wrong.dialogue([], address=address)[0]) for address in ("192.0.2.10", "127.0.0.1") * 5]
    names = {address: {line.split()[1] for one, line in banners if one == address} for address, _ in banners}
    assert names == {"192.0.2.10": {"second.example"}, "127.0.0.1": {NAME}}
