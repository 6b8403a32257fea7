"""Mail programs hand in mail: with TLS and a login known to a real Dovecot, or not at all; and what is told of them."""

from __future__ import annotations

import smtplib
import ssl
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.hosts import Host

DOVECOT = """\
protocols =
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
log_path = /var/log/dovecot.log
passdb {
  driver = passwd-file
  args = scheme=PLAIN /etc/dovecot/users
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
"""
KEYED = """\
  smtpd_tls_chain_files: /etc/ssl/mx.pem
  smtpd_sasl_type: dovecot
  smtpd_sasl_path: private/auth
"""
ON = MAIL + KEYED + "submission: {enabled: yes, wrapper: yes}\n"
HEADER = "sasl: {authenticated_header: yes}\n"
CONFIGURATION = "cd /etc/postfix && sha256sum main.cf master.cf"
HERE, FAR = "root@mx1.example.com", "someone@far.test"
ROUTES = {"tables/transport": "far.test  smtp:[127.0.0.1]:2525\n"}


def knows_logins(host: Host) -> None:
    """Have Dovecot say of this host who is ada."""
    host.write("/etc/dovecot/dovecot.conf", DOVECOT)
    host.write("/etc/dovecot/users", "ada:geheim-42\n", 0o644)
    host.start("dovecot", "-F")
    host.wait_for((host.root / "var/spool/postfix/private/auth").is_socket, what="Dovecot")


def has_key(adopted: AdoptedHost) -> None:
    """A key and its certificate, where KEYED names them."""
    subject = "openssl req -x509 -newkey ec -pkeyopt group:P-256 -nodes -days 90 -subj /CN=mx1.example.com"
    adopted.sh(f"cd /etc/ssl && {subject} -keyout key -out cert && cat key cert >mx.pem && chmod 600 mx.pem")


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost() as made:
        has_key(made)
        knows_logins(made.host)
        made.host.sink(2525)
        yield made


def spoken(host: Host, port: int) -> smtplib.SMTP:
    """A conversation with TLS, as a mail program begins it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if port == 587:
        client = host.smtp(port)
        client.starttls(context=context)
    else:
        client = smtplib.SMTP(local_hostname="client.test")
        client.sock = context.wrap_socket(host.connect(port), server_hostname="mx1.example.com")
        client.getreply()
    client.ehlo()
    return client


def test_both_ports_take_mail_with_tls_and_a_login_and_nothing_without(adopted: AdoptedHost) -> None:
    before = adopted.sh(CONFIGURATION)
    pushed = adopted.push({"mail.yaml": ON, **ROUTES}, "Submission")
    assert pushed.accepted, pushed.text
    assert "warning" not in pushed.text, pushed.text

    assert adopted.host.send("ada@mx1.example.com", HERE, port=587).startswith("530 5.7.0 Must issue a STARTTLS")
    for port in (587, 465):
        with spoken(adopted.host, port) as client:
            for recipient in (HERE, FAR):
                client.mail("ada@mx1.example.com")
                assert client.rcpt(recipient)[0] == 554
                client.rset()
        with spoken(adopted.host, port) as client, pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("ada", "wrong")
        with spoken(adopted.host, port) as client:
            client.login("ada", "geheim-42")
            client.sendmail("ada@mx1.example.com", [FAR], f"Subject: by {port}\n\nHello.\n")
    messages = adopted.host.wait_for(lambda: adopted.host.received(2525)[1:], what="both messages")
    assert "ESMTPSA" in messages[0].data
    assert "Authenticated sender" not in messages[0].data

    off = adopted.push({"mail.yaml": MAIL, "tables/transport": "old.test  smtp:[127.0.0.1]:2525\n"}, "Off")
    assert off.accepted, off.text
    assert not adopted.answers(587)
    assert adopted.sh(CONFIGURATION) == before


def after(adopted: AdoptedHost, count: int) -> str:
    """The message that arrives after so many."""
    [message] = adopted.host.wait_for(lambda: adopted.host.received(2525)[count:], what="the message")
    return message.data


def test_the_account_is_in_the_received_header_while_it_is_to_be(adopted: AdoptedHost) -> None:
    for said, is_told in ((HEADER, True), ("", False)):
        pushed = adopted.push({"mail.yaml": ON + said, **ROUTES}, "Names" if said else "No names")
        assert pushed.accepted, pushed.text
        assert ("learns which account" in pushed.text) == is_told
        count = len(adopted.host.received(2525))
        with spoken(adopted.host, 587) as client:
            client.login("ada", "geheim-42")
            client.sendmail("ada@mx1.example.com", [FAR], "Subject: names\n\nHello.\n")
        assert ("(Authenticated sender: ada)" in after(adopted, count)) == is_told


def test_what_submission_needs_is_asked_for_at_the_push(adopted: AdoptedHost) -> None:
    nobody = adopted.push({"mail.yaml": MAIL + "submission: {wrapper: no}\n"}, "Nothing for it")
    assert not nobody.accepted
    assert "no certificate is set" in nobody.text
    assert "for Dovecot write parameters: {smtpd_sasl_type: dovecot" in " ".join(nobody.text.split())

    chrooted = ON.replace("private/auth", "/run/dovecot/auth") + "services: {submission/inet: {chroot: yes}}\n"
    silent = adopted.push({"mail.yaml": chrooted}, "Dovecot is elsewhere")
    assert not silent.accepted
    assert "smtpd_sasl_path: no server answers" in silent.text
