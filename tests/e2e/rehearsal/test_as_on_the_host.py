"""A rehearsal is no stricter than the host, and what it can't know, the host is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import CLONE, MAIL, UNREHEARSED, AdoptedHost
from tests.e2e.hosts import Host
from tests.e2e.rehearsal_driver import rehearsed, state

if TYPE_CHECKING:
    from collections.abc import Iterator

CERTIFICATE = """
openssl req -x509 -newkey ec -pkeyopt group:P-256 -nodes -days 9 -subj /CN=mx1.example.com \
    -keyout /etc/ssl/k.pem -out /etc/ssl/c.pem
"""
ODD = """
set -e
install -d -o postfix /usr/local/pf-cache /var/cache/pf /srv/pf
install -d /opt/pf && cp -a /usr/lib/postfix/sbin /opt/pf/libexec
useradd -r vmail
install -d -m 750 -g vmail /opt/closed
install -m 750 -g vmail /bin/true /opt/closed/deliver
install -m 750 -g vmail /bin/true /usr/local/bin/deliver
"""
PIPE = "{name} unix - n n - - pipe\n  flags=Rq user={user} argv={command}\n"
FLOW = {
    "mail from here leaves": {
        "client": "127.0.0.1", "from": "root@mx1.example.com", "to": "a@far.example",
        "expect": {"status": "sent", "transport": "smtp"},
    }
}  # fmt: skip
MAPS = """
import os, socket
listener = socket.create_server(("127.0.0.1", 8461))
while True:
    connection, _ = listener.accept()
    connection.recv(100)
    connection.sendall(b"9:NOTFOUND ," if os.path.exists("/run/answers") else b"no netstring")
"""
MILTER = """
import os, socket
os.makedirs("/run/filter", exist_ok=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind("/run/filter/s")
os.chmod("/run/filter/s", 0o755)
listener.listen()
while True:
    listener.accept()
"""


def test_what_works_on_an_odd_host_works_in_its_rehearsal() -> None:
    """Caches in any folder, programs outside of /usr or for one user alone, and a service that nothing uses."""
    with Host(postfix=True) as host:
        host.run("sh", "-c", CERTIFICATE + ODD)
        parameters = {
            "smtpd_tls_security_level": "may", "smtp_tls_security_level": "may",
            "smtpd_tls_cert_file": "/etc/ssl/c.pem", "smtpd_tls_key_file": "/etc/ssl/k.pem",
            "data_directory": "/srv/pf", "daemon_directory": "/opt/pf/libexec",
            "smtpd_tls_session_cache_database": "btree:/usr/local/pf-cache/smtpd",
            "smtp_tls_session_cache_database": "lmdb:$data_directory/smtp",
            "address_verify_map": "btree:/var/cache/pf/verify",
            "smtpd_recipient_restrictions": "permit_mynetworks, reject_unauth_destination, reject_unverified_recipient",
        }  # fmt: skip
        files = {
            "master.d/x.cf": PIPE.format(name="one", user="vmail", command="/opt/closed/deliver")
            + PIPE.format(name="two", user="vmail", command="/usr/local/bin/deliver")
            + PIPE.format(name="left-over", user="nosuchuser", command="/bin/true"),
            "tables/transport": "one.example one:\ntwo.example two:\n",
        }
        done = rehearsed(host, state(parameters, files))
        assert not done.trouble
        assert len(done.findings) == 1, (done.findings, done.log)
        (finding,) = done.findings
        assert finding.startswith("master.d/x.cf:5:1: warning: ")
        assert "nosuchuser (no mail is routed to this service)" in finding
        piped = [line for line in done.report["log"] if "/pipe[" in line and "status=sent" in line]
        assert len(piped) == 4, done.log  # two recipients for each of two
        assert "is unavailable" not in done.log


@pytest.mark.parametrize(
    "setting", [{"mynetworks": "127.0.0.0/8"}, {"inet_protocols": "ipv6", "mynetworks": "[::1]/128"}]
)
def test_a_host_with_loopback_addresses_alone_rehearses_like_others(setting: dict[str, str]) -> None:
    with Host(postfix=True) as host:
        host.run("sh", "-c", "ip link del eth0; echo nameserver 192.0.2.99 >/etc/resolv.conf")
        client = "::1" if "inet_protocols" in setting else "127.0.0.1"
        flow = {name: one | {"client": client} for name, one in FLOW.items()}
        done = rehearsed(host, state(setting, {"flows/f.yaml": json.dumps(flow)}))
        assert (done.trouble, done.findings) == ("", []), done.log


ELSEWHERE = """
set -e
install -d -o postfix /dev/shm/postfix /var/spool/postfix/caches
install -d /opt/pf/meta && cp -a /usr/lib/postfix/sbin /opt/pf/libexec && cp -a /usr/lib/postfix /opt/pf/lib
cp -a /etc/postfix/postfix-files* /etc/postfix/dynamicmaps.cf* /opt/pf/meta/
ip link del eth0
echo nameserver 192.0.2.99 >/etc/resolv.conf
"""
OUTSIDE = """  smtpd_tls_security_level: may
  smtpd_tls_cert_file: /etc/ssl/c.pem
  smtpd_tls_key_file: /etc/ssl/k.pem
  smtpd_tls_session_cache_database: lmdb:/dev/shm/postfix/smtpd
  smtp_tls_session_cache_database: btree:${queue_directory}/caches/smtp
  address_verify_map: lmdb:/dev/shm/postfix/verify
  smtpd_recipient_restrictions: permit_mynetworks, reject_unauth_destination, reject_unverified_recipient
  daemon_directory: /opt/pf/libexec
  meta_directory: /opt/pf/meta
  shlib_directory: /opt/pf/lib
"""


def test_a_host_with_nothing_but_loopback_and_its_postfix_elsewhere_verifies_like_others() -> None:
    """No route, no resolver, caches in any folder, a package outside of /usr; and what would turn all mail away."""
    with AdoptedHost(settle="20ms") as host:
        host.sh(CERTIFICATE + ELSEWHERE)
        pushed = host.push({"mail.yaml": MAIL + OUTSIDE}, "Elsewhere")
        assert "checked and rehearsed" in pushed.text, pushed.text
        assert "live and verified" in pushed.text
        assert "verified: 1 listener, 2 kinds of recipient, sendmail" in pushed.text
        for where, answer in (
            ("smtpd_client_restrictions: 'check_client_access", "421 4.3.2 closed"),
            ("smtpd_recipient_restrictions: 'check_recipient_access", "451 4.3.0 later"),
        ):
            refused = host.push({"mail.yaml": f"{MAIL}  {where} static:{{{answer}}}, reject_unauth_destination'\n"})
            assert not refused.accepted, answer
            assert answer[:9] in refused.text
        deferred = f"{MAIL}  smtpd_data_restrictions: 'check_client_access static:{{450 4.7.1 later}}'\n"
        host.wait_for("RolledBack", host.push({"mail.yaml": deferred}, "All mail is deferred at DATA").oid)


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost(settings=UNREHEARSED) as made:
        made.sh("useradd -r vmail; install -d -m 755 /opt/filter; install -m 700 /bin/true /opt/filter/run")
        made.host.start("python3", "-c", MILTER)
        made.host.start("python3", "-c", MAPS)
        made.host.wait_for((made.host.root / "run/filter/s").is_socket, what="the socket")
        yield made


VIRTUAL = """\
virtual_mailbox_domains: m.example
  virtual_mailbox_base: /srv/mail
  virtual_minimum_uid: 100
  virtual_uid_maps: static:5000
  virtual_gid_maps: static:5000"""
CASES = {
    "space": ("queue_minfree: 1000000000000", {}, "smtpd would answer 452 to all mail", ""),
    "alias": (
        "myorigin: mx1.example.com", {"tables/aliases": "postmaster: root\narchive: /srv/archive/all\n"},
        "the user nobody can't write to the file /srv/archive/all (no such file or directory)",
        "install -d -o nobody /srv/archive",
    ),
    "mailbox": (
        VIRTUAL,
        {"tables/virtual_mailbox": "ada@m.example m.example/ada/\n"},
        "the user 5000:5000 can't make or use the folder /srv/mail/m.example/ada/ (permission denied)",
        "install -d -o 5000 /srv/mail",
    ),
    "socket": (
        "smtpd_milters: unix:/run/filter/s", {}, "permission denied for the user postfix", "chmod 777 /run/filter/s",
    ),
    "look-up": (
        "smtp_tls_policy_maps: socketmap:inet:127.0.0.1:8461:postfix", {}, "answers no look-up (the query fails)",
        "touch /run/answers",
    ),
    "program": (
        "content_filter: scan", {"master.d/x.cf": PIPE.format(name="scan", user="vmail", command="/opt/filter/run")},
        "the user vmail can't run /opt/filter/run (permission denied)", "chmod 755 /opt/filter/run",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_host_is_asked_what_no_rehearsal_can_know(adopted: AdoptedHost, case: str) -> None:
    """A push is refused for what the host lacks, and the same commit is right once the host has it."""
    parameters, files, says, mending = CASES[case]
    before = adopted.live()
    adopted.sh(f"cd {CLONE} && git reset -q --hard origin/main")
    pushed = adopted.push({"mail.yaml": f"{MAIL}  {parameters}\n", **files}, case)
    assert not pushed.accepted, pushed.text
    assert says in " ".join(pushed.text.split()), pushed.text
    assert adopted.live() == before
    if mending:
        adopted.sh(mending)
        checked = adopted.reconciler("check", "--tree", CLONE)
        assert checked.status == 0, checked.text
        assert says not in checked.text
