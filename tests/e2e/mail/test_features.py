"""Each feature by a message that arrived, or by what a client was told: on, changed, and off again."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SINK = 2525


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost() as made:
        yield made


def logged(adopted: AdoptedHost, words: str) -> bool:
    return adopted.host.wait_for(lambda: words in adopted.host.mail_log(), what=words)


def certificate(folder: Path) -> ssl.SSLContext:
    key, cert = folder / "key", folder / "cert"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=relay.test"]
    subprocess.run([*argv, "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context


def test_a_smart_host_gets_the_login_over_tls_and_is_forgotten_when_off(adopted: AdoptedHost, tmp_path: Path) -> None:
    adopted.host.sink(SINK, tls=certificate(tmp_path))
    assert "someuser" not in adopted.host.mail_log()
    adopted.commit({}, "An empty clone")
    sealed = adopted.seal({"smart_host": "geheim-42\n"})
    login = 'smart_host:\n  nexthop: "[127.0.0.1]:2525"\n  username: someuser\n  password: !secret smart_host\n'
    on = {"mail.yaml": MAIL + login, **sealed}

    pushed = adopted.push(on, "Relay by a smart host")
    assert pushed.accepted, pushed.text
    assert adopted.host.send("root@mx1.example.com", "someone@far.test").startswith("250")
    [message] = adopted.host.wait_for(lambda: adopted.host.received(SINK), what="the message")

    assert message.recipients == ("someone@far.test",)
    assert (message.login, message.tls) == ("someuser", True)
    assert adopted.sh("stat -c '%a %U' /etc/postfix/sasl_passwd /etc/postfix/sasl_passwd.lmdb") == "600 root\n600 root"

    off = adopted.push({"mail.yaml": MAIL, "secrets/smart_host.age": None}, "Off again")
    assert off.accepted, off.text
    assert adopted.sh("ls -H /etc/postfix | grep sasl_passwd || true") == ""
    assert "geheim-42" not in pushed.text + off.text + adopted.daemon_log() + adopted.reconciler("log", "--json").text
    assert adopted.sh("grep -rl geheim-42 /var/lib/reconciler/private /srv/mail-state.git || true") == ""


def test_oneshot_tries_once_and_its_bounce_quotes_what_happened(adopted: AdoptedHost) -> None:
    assert adopted.push({"tables/transport": "once.test  oneshot:[127.0.0.1]:2599\n"}, "Once").accepted

    assert adopted.host.send("root@mx1.example.com", "someone@once.test").startswith("250")

    def bounced() -> bool:
        return "Connection refused" in adopted.sh("cat /var/mail/root 2>/dev/null || true")

    assert adopted.host.wait_for(bounced, what="the bounce")
    assert "5.4.1" in adopted.host.read("/var/mail/root")
    adopted.host.wait_for(
        lambda: not [one for one in adopted.host.queue() if "once.test" in str(one)], what="no message left for it"
    )


def test_relaylim_delivers_and_its_limit_is_where_qmgr_looks(adopted: AdoptedHost) -> None:
    adopted.host.sink(2526)
    assert adopted.push({"tables/transport": "serial.test  relaylim:[127.0.0.1]:2526\n"}, "Serial").accepted
    assert adopted.host.send("root@mx1.example.com", "someone@serial.test").startswith("250")
    adopted.host.wait_for(lambda: adopted.host.received(2526), what="the message")

    assert logged(adopted, "postfix/relaylim/smtp")
    assert adopted.postconf("relaylim_destination_concurrency_limit") == "1"


def test_a_transport_of_ones_own_says_hello_by_its_own_name(adopted: AdoptedHost) -> None:
    own = "transports:\n  slow: {concurrency: 2, rate_delay: 1s, helo: slow.example.com}\n"
    adopted.host.sink(2527)
    pushed = adopted.push({"mail.yaml": MAIL + own, "tables/transport": "own.test  slow:[127.0.0.1]:2527\n"}, "Own")
    assert pushed.accepted, pushed.text
    assert adopted.host.send("root@mx1.example.com", "someone@own.test").startswith("250")
    [message] = adopted.host.wait_for(lambda: adopted.host.received(2527), what="the message")

    assert message.helo == "slow.example.com"
    assert adopted.push({"mail.yaml": MAIL, "tables/transport": "x.test  smtp:[127.0.0.1]:9\n"}, "Own no more").accepted
    assert adopted.sh("postconf -M slow/unix 2>&1 | grep -c smtp || true") == "0"


def test_a_table_that_a_restriction_names_decides_what_clients_are_told(adopted: AdoptedHost) -> None:
    named = MAIL + "  smtpd_sender_restrictions: check_sender_access table:senders\n"
    assert adopted.push({"mail.yaml": named, "tables/senders": "bad@far.test  REJECT not you\n"}, "Reject one").accepted

    assert "not you" in adopted.host.send("bad@far.test", "root@mx1.example.com")
    assert adopted.host.send("good@far.test", "root@mx1.example.com").startswith("250")

    assert adopted.push({"mail.yaml": MAIL, "tables/senders": None}, "No longer").accepted
    assert adopted.host.send("bad@far.test", "root@mx1.example.com").startswith("250")


def test_aliases_of_the_repository_deliver_mail(adopted: AdoptedHost) -> None:
    adopted.sh("useradd --create-home ada || true")
    pushed = adopted.push({"tables/aliases": "sales: ada\n"}, "Sales is Ada")
    assert pushed.accepted, pushed.text

    assert adopted.host.send("root@mx1.example.com", "sales@mx1.example.com", "Subject: hi\n\nfor sales").startswith(
        "250"
    )

    assert adopted.host.wait_for(
        lambda: "for sales" in adopted.sh("cat /var/mail/ada 2>/dev/null || true"), what="the mail"
    )


def test_a_service_of_master_d_listens_from_its_push_on_and_no_longer_than_that(adopted: AdoptedHost) -> None:
    assert adopted.push({"master.d/more.cf": "127.0.0.1:2625 inet n - n - - smtpd\n"}, "One more port").accepted
    assert adopted.answers(2625)

    assert adopted.push({"master.d/more.cf": None}, "One port less").accepted
    assert not adopted.answers(2625)


def test_what_a_host_says_of_itself_prevails_there(adopted: AdoptedHost) -> None:
    here = {"hosts/mx1.example.com.yaml": "parameters: {smtpd_banner: here ESMTP}\n"}
    elsewhere = {"hosts/mx2.example.com.yaml": "parameters: {smtpd_banner: there ESMTP}\n"}
    assert adopted.push(here | elsewhere, "Banners").accepted

    assert adopted.host.dialogue(["QUIT"])[0] == "220 here ESMTP"


def test_a_change_of_inet_interfaces_restarts_postfix_for_it(adopted: AdoptedHost) -> None:
    before = adopted.master()
    assert adopted.push({"mail.yaml": MAIL + "  inet_interfaces: loopback-only\n"}, "Loopback only").accepted

    assert adopted.master() != before
    assert adopted.answers()
    with pytest.raises(OSError, match="refused"):
        adopted.host.dialogue(["QUIT"], address="192.0.2.10")
