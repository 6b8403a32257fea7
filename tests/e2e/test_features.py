"""Each feature by a message that arrived, or by what a client was told: on, changed, and off again."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import MAIL, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SINK = 2525


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as made:
        yield made


def logged(site: Site, words: str) -> bool:
    return site.host.wait_for(lambda: words in site.host.mail_log(), what=words)


def certificate(folder: Path) -> ssl.SSLContext:
    key, cert = folder / "key", folder / "cert"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=relay.test"]
    subprocess.run([*argv, "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context


def test_a_smart_host_gets_the_login_over_tls_and_is_forgotten_when_off(site: Site, tmp_path: Path) -> None:
    site.host.sink(SINK, tls=certificate(tmp_path))
    assert "someuser" not in site.host.mail_log()
    site.commit({}, "An empty clone")
    sealed = site.seal({"smart_host": "geheim-42\n"})
    login = 'smart_host:\n  nexthop: "[127.0.0.1]:2525"\n  username: someuser\n  password: !secret smart_host\n'
    on = {"mail.yaml": MAIL + login, **sealed}

    pushed = site.push(on, "Relay by a smart host")
    assert pushed.accepted, pushed.text
    assert site.host.send("root@mx1.example.com", "someone@far.test").startswith("250")
    [message] = site.host.wait_for(lambda: site.host.received(SINK), what="the message")

    assert message.recipients == ("someone@far.test",)
    assert (message.login, message.tls) == ("someuser", True)
    assert site.sh("stat -c '%a %U' /etc/postfix/sasl_passwd /etc/postfix/sasl_passwd.lmdb") == "600 root\n600 root"

    off = site.push({"mail.yaml": MAIL, "secrets/smart_host.age": None}, "Off again")
    assert off.accepted, off.text
    assert site.sh("ls -H /etc/postfix | grep sasl_passwd || true") == ""
    assert "geheim-42" not in pushed.text + off.text + site.daemon_log() + site.sh("reconciler log --json")
    assert site.sh("grep -rl geheim-42 /var/lib/reconciler/private /srv/mail-state.git || true") == ""


def test_oneshot_tries_once_and_its_bounce_quotes_what_happened(site: Site) -> None:
    assert site.push({"tables/transport": "once.test  oneshot:[127.0.0.1]:2599\n"}, "Once").accepted

    assert site.host.send("root@mx1.example.com", "someone@once.test").startswith("250")

    def bounced() -> bool:
        return "Connection refused" in site.sh("cat /var/mail/root 2>/dev/null || true")

    assert site.host.wait_for(bounced, what="the bounce")
    assert "5.4.1" in site.host.read("/var/mail/root")
    assert [one for one in site.host.queue() if "once.test" in str(one)] == []


def test_relaylim_delivers_and_its_limit_is_where_qmgr_looks(site: Site) -> None:
    site.host.sink(2526)
    assert site.push({"tables/transport": "serial.test  relaylim:[127.0.0.1]:2526\n"}, "Serial").accepted
    assert site.host.send("root@mx1.example.com", "someone@serial.test").startswith("250")
    site.host.wait_for(lambda: site.host.received(2526), what="the message")

    assert logged(site, "postfix/relaylim/smtp")
    assert site.postconf("relaylim_destination_concurrency_limit") == "1"


def test_a_transport_of_ones_own_says_hello_by_its_own_name(site: Site) -> None:
    own = "transports:\n  slow: {concurrency: 2, rate_delay: 1s, helo: slow.example.com}\n"
    site.host.sink(2527)
    pushed = site.push({"mail.yaml": MAIL + own, "tables/transport": "own.test  slow:[127.0.0.1]:2527\n"}, "Own")
    assert pushed.accepted, pushed.text
    assert site.host.send("root@mx1.example.com", "someone@own.test").startswith("250")
    [message] = site.host.wait_for(lambda: site.host.received(2527), what="the message")

    assert message.helo == "slow.example.com"
    assert site.push({"mail.yaml": MAIL, "tables/transport": "x.test  smtp:[127.0.0.1]:9\n"}, "Own no more").accepted
    assert site.sh("postconf -M slow/unix 2>&1 | grep -c smtp || true") == "0"


def test_a_table_that_a_restriction_names_decides_what_clients_are_told(site: Site) -> None:
    named = MAIL + "  smtpd_sender_restrictions: check_sender_access table:senders\n"
    assert site.push({"mail.yaml": named, "tables/senders": "bad@far.test  REJECT not you\n"}, "Reject one").accepted

    assert "not you" in site.host.send("bad@far.test", "root@mx1.example.com")
    assert site.host.send("good@far.test", "root@mx1.example.com").startswith("250")

    assert site.push({"mail.yaml": MAIL, "tables/senders": None}, "No longer").accepted
    assert site.host.send("bad@far.test", "root@mx1.example.com").startswith("250")


def test_aliases_of_the_repository_deliver_mail(site: Site) -> None:
    site.sh("useradd --create-home ada || true")
    pushed = site.push({"tables/aliases": "sales: ada\n"}, "Sales is Ada")
    assert pushed.accepted, pushed.text

    assert site.host.send("root@mx1.example.com", "sales@mx1.example.com", "Subject: hi\n\nfor sales").startswith("250")

    assert site.host.wait_for(lambda: "for sales" in site.sh("cat /var/mail/ada 2>/dev/null || true"), what="the mail")


def test_a_service_of_master_d_listens_from_its_push_on_and_no_longer_than_that(site: Site) -> None:
    assert site.push({"master.d/more.cf": "127.0.0.1:2625 inet n - n - - smtpd\n"}, "One more port").accepted
    assert site.answers(2625)

    assert site.push({"master.d/more.cf": None}, "One port less").accepted
    assert not site.answers(2625)


def test_what_a_host_says_of_itself_prevails_there(site: Site) -> None:
    here = {"hosts/mx1.example.com.yaml": "parameters: {smtpd_banner: here ESMTP}\n"}
    elsewhere = {"hosts/mx2.example.com.yaml": "parameters: {smtpd_banner: there ESMTP}\n"}
    assert site.push(here | elsewhere, "Banners").accepted

    assert site.host.dialogue(["QUIT"])[0] == "220 here ESMTP"


def test_a_change_of_inet_interfaces_restarts_postfix_for_it(site: Site) -> None:
    before = site.master()
    assert site.push({"mail.yaml": MAIL + "  inet_interfaces: loopback-only\n"}, "Loopback only").accepted

    assert site.master() != before
    assert site.answers()
    with pytest.raises(OSError, match="refused"):
        site.host.dialogue(["QUIT"], address="192.0.2.10")
