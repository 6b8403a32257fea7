"""What a server showed, and the case it is: diagnose() beside near misses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.commands.probe.diagnosis import Failure, Reply, Seen, Sending, Shown, Tlsa, diagnose, matches
from reconciler.model import Certificate

YES, GREETING = Reply(250, "ok"), Reply(220, "mx.example.net ESMTP")
SENDING = Sending(nexthop="example.net", domain="example.net", level="may", recipient="postmaster@example.net")
CLEAR = Seen(host="mx.example.net", address="192.0.2.1", greeting=GREETING, hello=YES, mail=YES, recipient=YES)
GOOD = Shown(certificate=Certificate("", ("mx.example.net",), 60), protocol="TLSv1.3", anchors="/etc/ca.pem")
TLS = replace(CLEAR, offered=("STARTTLS",), starttls=Reply(220, "go"), shown=GOOD)


def at(level: str) -> Sending:
    return replace(SENDING, level=level)


def showing(**changes: object) -> Seen:
    return replace(TLS, shown=replace(GOOD, **changes))  # type: ignore[arg-type] # by name


def answering(text: str, *, logins: tuple[str, ...] = ()) -> Seen:
    code, _, rest = text.partition(" ")
    return replace(CLEAR, recipient=Reply(int(code), rest), logins=logins)


@pytest.mark.parametrize(
    ("level", "seen", "case"),
    [
        ("may", CLEAR, "delivers"),
        ("encrypt", TLS, "delivers"),
        ("encrypt", CLEAR, "no-starttls"),
        ("dane", CLEAR, "delivers"),
        ("dane", replace(CLEAR, promised=True), "no-starttls"),
        ("dane", showing(tlsa=Tlsa.UNUSABLE), "delivers"),
        ("dane-only", CLEAR, "no-starttls"),
        ("encrypt", replace(CLEAR, starttls=Reply(454, "not now")), "starttls-refused"),
        ("encrypt", replace(CLEAR, handshake="no protocols available"), "handshake-failed"),
        ("may", replace(CLEAR, handshake="no protocols available"), "delivers"),
        ("encrypt", showing(untrusted="self-signed certificate"), "delivers"),
        ("verify", showing(untrusted="self-signed certificate"), "self-signed"),
        ("verify", showing(untrusted="self-signed certificate in certificate chain"), "untrusted"),
        ("verify", showing(untrusted="certificate has expired"), "expired"),
        ("verify", showing(certificate=Certificate("", ("other.example.net",), 9)), "wrong-name"),
        ("verify", TLS, "delivers"),
        ("secure", TLS, "delivers"),
        ("secure", showing(certificate=Certificate("", ("mx.example.com",), 9)), "wrong-name"),
        ("dane", replace(showing(tlsa=Tlsa.DIFFERS), promised=True), "tlsa-mismatch"),
        ("dane", showing(tlsa=Tlsa.MATCHES, untrusted="self-signed certificate"), "delivers"),
        ("dane-only", TLS, "no-tlsa"),
        ("dane-only", showing(tlsa=Tlsa.MATCHES), "delivers"),
    ],
)
def test_the_level_decides_what_is_wrong_with_tls(level: str, seen: Seen, case: str) -> None:
    assert diagnose(at(level), seen).case == case


@pytest.mark.parametrize(
    ("said", "case"),
    [
        ("550 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using zen.spamhaus.org", "block-list"),
        ("554 5.7.1 rejected due to poor reputation", "block-list"),
        ("550 5.1.1 <postmaster@example.net>: User unknown", "recipient-refused"),
        ("451 4.7.1 Greylisting in action, please come back later", "greylisted"),
        ("452 4.3.1 Insufficient system storage", "try-later"),
        ("530 5.7.0 Must issue a STARTTLS command first", "tls-required"),
        ("530 5.7.0 Authentication required", "login-needed"),
        ("550 5.7.23 SPF validation failed", "recipient-refused"),
    ],
)
def test_a_reply_is_understood_by_its_words(said: str, case: str) -> None:
    found = diagnose(SENDING, answering(said))

    assert found.case == case
    assert not found.delivers
    assert said in found.text


def test_a_relay_that_is_denied_wants_a_login_only_where_logins_are_offered() -> None:
    said = "554 5.7.1 <a@example.org>: Relay access denied"

    assert diagnose(SENDING, answering(said, logins=("PLAIN",))).case == "login-needed"
    assert diagnose(SENDING, answering(said)).case == "recipient-refused"


def test_the_reply_behind_a_missing_starttls_is_what_is_told() -> None:
    found = diagnose(at("encrypt"), answering("553 listed at dnsbl.example.org"))

    assert found.case == "block-list"
    assert "was not offered by host" in found.text
    assert "553 listed at dnsbl.example.org" in found.text
    assert "clear text" in found.text


def test_every_failure_has_words_of_its_own() -> None:
    told = {
        diagnose(SENDING, Seen(host="mx.example.net", address="192.0.2.1", failure=failure, why="why")).case
        for failure in Failure
        if failure
    }

    assert told == {failure.value for failure in Failure if failure}


def test_what_a_server_says_plays_no_tricks_with_a_terminal() -> None:
    found = diagnose(SENDING, answering("550 \x1b[2Jhello\x07"))

    assert "\x1b" not in found.text
    assert "\x07" not in found.text


def test_port_465_and_wrapper_mode_belong_together() -> None:
    wrapped = replace(TLS, wrapped=True, port=465)

    assert diagnose(SENDING, wrapped).case == "begins-with-tls"
    assert diagnose(replace(SENDING, wrapped=True, level="encrypt"), wrapped).case == "delivers"
    assert diagnose(replace(SENDING, wrapped=True), TLS).case == "begins-in-clear"


@pytest.mark.parametrize(
    ("name", "names", "fits"),
    [
        ("mx.example.net", ("mx.example.net",), True),
        ("MX.example.net.", ("mx.example.net",), True),
        ("mx.example.net", ("*.example.net",), True),
        ("a.mx.example.net", ("*.example.net",), False),
        ("example.net", ("*.example.net",), False),
        ("mx.example.net", (), False),
    ],
)
def test_a_wildcard_stands_for_one_label(name: str, names: tuple[str, ...], *, fits: bool) -> None:
    assert matches(name, names) is fits
