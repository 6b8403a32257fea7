"""What a rehearsal shows of its host: nothing that others may not read, and a healthy configuration does not notice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.hosts import Host
from tests.e2e.rehearsal_driver import BASE, ENVIRONMENT, REHEARSING, asked, rehearsed, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.rehearsal_driver import Rehearsed

SECRET = "1QQPQZRYXSECRETOFTHEHOST"
KEY = f"# created: today\nAGE-SECRET-KEY-{SECRET}\n"
OWN = "/etc/reconciler/identity.age"
CLOSED = (OWN, "/etc/closed", "/root/closed", "/srv/closed/folder/file", "/usr/local/etc/closed")
SETUP = """
mkdir -p /etc/live/site /etc/archive/site /srv/closed/folder /etc/maps
openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=mx1.example.com -keyout /etc/archive/site/k1.pem \
    -out /etc/archive/site/c1.pem 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=mx1.example.com \
    -keyout /etc/archive/site/k2.pem -out /etc/archive/site/c2.pem 2>/dev/null
cat /etc/archive/site/k1.pem /etc/archive/site/c1.pem >/etc/archive/site/both.pem
chmod 600 /etc/archive/site/*.pem
chmod 644 /etc/archive/site/c1.pem
ln -s ../../archive/site/k1.pem /etc/live/site/key.pem
ln -s ../../archive/site/c1.pem /etc/live/site/cert.pem
chmod 700 /etc/live /etc/archive
printf '[smtp.isp.example]:587 user:hunter6\n' >/etc/maps/logins
postmap /etc/maps/logins
printf '/^Subject: free/ REJECT\n' >/etc/maps/checks.pcre
printf '10.0.0.0/8\n' >/etc/maps/networks
printf 'list.example\n' >/etc/maps/domains
chmod 600 /etc/maps/*
mkdir -p /run/ca
cp /etc/archive/site/c1.pem /run/ca/ca.pem
printf 'hunter2 hunter3\n1.2.3.4 hunter4\n' >/srv/open
chmod 711 /etc/reconciler
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host with secrets, and with certificates and tables that only root may read."""
    with Host() as made:
        made.run("sh", "-c", "umask 077; for file in $0 $@; do mkdir -p $(dirname $file); done", *CLOSED)
        for path in CLOSED:
            made.write(path, KEY, 0o600)
        made.write("/srv/closed/folder/file", KEY, 0o644)  # the folder is closed, not the file
        made.run("sh", "-c", SETUP)
        yield made


PAIR = {"smtpd_tls_key_file": "/etc/live/site/key.pem", "smtpd_tls_cert_file": "/etc/live/site/cert.pem"}
LEAKS = {
    "a table": {"smtpd_client_restrictions": f"check_client_access cidr:{OWN}, permit"},
    "a list": {"mynetworks": "127.0.0.0/8 /etc/closed"},
    "a template": {"bounce_template_file": "/etc/closed"},
    "patterns": {"header_checks": "pcre:/root/closed"},
    "a file in a closed folder": {"virtual_alias_maps": "texthash:/srv/closed/folder/file"},
    "below usr": {"relay_domains": "regexp:/usr/local/etc/closed"},
    "a long way": {"mydestination": f"localhost regexp:/var/../etc/./postfix/../../{OWN}"},
    "a certificate": {"smtpd_tls_security_level": "may", "smtpd_tls_cert_file": "/etc/closed"},
    "through the kernel": {"mynetworks": f"127.0.0.0/8 /proc/1/root{OWN}"},
    "through a descriptor": {"mynetworks": "127.0.0.0/8 /dev/fd/0 /proc/self/environ"},
}


@pytest.mark.parametrize("name", LEAKS)
def test_no_value_makes_a_rehearsal_say_what_stands_in_a_closed_file(host: Host, name: str) -> None:
    done = rehearsed(host, state(LEAKS[name]))
    assert not done.trouble
    assert SECRET not in json.dumps([done.findings, done.report])


READER = """
import glob, os, socket
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.connect("/dev/log")
for base in ("", "/proc/1/root", "/proc/self/cwd", "/old"):
    for path in PATHS + glob.glob("/etc/postfix/**", recursive=True) + glob.glob("/var/lib/**", recursive=True):
        try:
            log.send(("<22>reader[1]: " + path + " " + open(base + path, "rb").read(4000).decode("latin-1")).encode())
        except OSError:
            continue
for path in ("/proc/1/environ", "/proc/1/mem", "/proc/1/fd/0"):
    try:
        log.send(("<22>reader[1]: " + path + " " + open(path).read(4000)).encode())
    except OSError:
        continue
log.send(b"<22>reader[1]: has read")
"""


def read_in(host: Host, commit: dict[str, str], **replaced: object) -> Rehearsed:
    """Rehearse until the reader comes to its end: on a busy machine a rehearsal may be over before."""
    for _ in range(20):
        if "reader[1]: has read" in (done := rehearsed(host, commit, **replaced)).log:
            return done
    pytest.fail(done.log)


def test_no_command_can_read_a_closed_file_as_root(host: Host) -> None:
    paths = [*CLOSED, "/etc/shadow", "/etc/archive/site/k1.pem", "/etc/live/site/key.pem", "/etc/maps/logins.db"]
    unnamed = {"/etc/unnamed": 0o644, "/usr/local/etc/deep/er/unnamed": 0o600, "/usr/local/sbin/unnamed": 0o700}
    for path, mode in unnamed.items():
        host.run("mkdir", "-p", path.rpartition("/")[0])
        host.write(path, "unnamed by anybody", mode)
    program = f"#!/usr/bin/python3 -IS\nPATHS = {[*paths, *unnamed]!r}\n{READER}"
    host.write("/usr/lib/postfix/sbin/reader", program, 0o755)
    made = {"master.d/r.cf": "reader unix n n n 1 1 reader\n"}
    named = {
        "smtp_sasl_password_maps": "hash:/etc/maps/logins",
        "relay_domains": " ".join(f"regexp:{path}" for path in (*CLOSED, "/etc/shadow")),
    }
    done = read_in(host, state({**PAIR, **named}, made))
    secrets = [SECRET, "hunter6", "unnamed by anybody", *host.read("/etc/shadow").split()[:1]]
    secrets += host.read("/etc/archive/site/k1.pem").splitlines()[1:3]
    assert [secret for secret in secrets if secret in done.log] == []


def test_the_logins_of_the_commit_are_not_shown_either(host: Host) -> None:
    host.write("/usr/lib/postfix/sbin/reader", f"#!/usr/bin/python3 -IS\nPATHS = []\n{READER}", 0o755)
    made = {"master.d/r.cf": "reader unix n n n 1 1 reader\n", "tables/logins": "[far.example] user:hunter5\n"}
    hidden = {"smtp_sasl_password_maps": "table:logins", "smtp_sasl_auth_enable": "yes", "relayhost": "[far.example]"}
    done = read_in(host, state(hidden, made), closed=["logins", "logins.lmdb"])
    assert "hunter5" not in done.log
    assert not [one for one in done.findings if "logins" in one], done.findings


def test_a_finding_names_the_line_of_a_foreign_file_and_quotes_nothing_of_it(host: Host) -> None:
    done = rehearsed(host, state({"smtpd_client_restrictions": "check_client_access cidr:/srv/open, permit"}))
    (found,) = [one for one in done.findings if "/srv/open, line 1" in one]
    assert "bad address pattern" in found
    assert "hunter" not in "".join(done.findings)
    commit = state({"smtpd_client_restrictions": "check_client_access table:c"}, {"tables/c.cidr": "hunter2 OK\n"})
    assert "hunter2" in "".join(rehearsed(host, commit).findings)  # what the commit says may be quoted


FLOW = """
out: {client: 127.0.0.1, to: b@far.example, expect: {status: sent, nexthop: '[smtp.isp.example]:587'}}
"""
SENT = "sent: {client: 127.0.0.1, to: b@far.example, expect: {status: sent}}\n"
HEALTHY = {
    "links into closed folders": PAIR,
    "two certificates": {
        **PAIR, "smtpd_tls_eckey_file": "/etc/archive/site/k2.pem", "smtpd_tls_eccert_file": "/etc/archive/site/c2.pem",
    },
    "a chain": {"smtpd_tls_chain_files": " ".join(f"/etc/archive/site/{name}.pem" for name in ("both", "k2", "c2"))},
    "one kind of key": PAIR | {"smtpd_tls_exclude_ciphers": "ECDSA"},
    "tables": {
        "smtp_sasl_password_maps": "hash:/etc/maps/logins", "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_security_options": "noanonymous", "relayhost": "[smtp.isp.example]:587",
        "header_checks": "pcre:/etc/maps/checks.pcre", "mynetworks": "127.0.0.0/8 /etc/maps/networks",
        "relay_domains": "/etc/maps/domains", "smtp_tls_CApath": "/etc/ssl/certs", "smtp_tls_security_level": "may",
        "myorigin": "/etc/mailname",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_a_file_that_only_root_may_read_is_no_fault(host: Host, name: str) -> None:
    tls = {"smtpd_tls_security_level": "may"} if name != "tables" else {}
    files = {"flows/a.yaml": FLOW} if name == "tables" else {}
    done = rehearsed(host, state({**tls, **HEALTHY[name]}, files))
    assert not done.trouble
    assert done.findings == [], done.log


# ---- no value switches it off ----------------------------------------------------------------------------------------

PLACES = {
    "below var run": {"smtp_tls_CAfile": "/var/run/ca/ca.pem"},
    "the data elsewhere": {"data_directory": "/srv/data"},
    "the log in run": {"maillog_file": "/var/run/mail.log"},
    "the queue elsewhere": {"queue_directory": "/srv/queue"},
    "the queue in etc": {"queue_directory": "/etc/queue"},
    "mailboxes at the root": {"virtual_mailbox_base": "/"},
}


@pytest.mark.parametrize("name", PLACES)
def test_no_place_switches_the_rehearsal_off(host: Host, name: str) -> None:
    broken = {"smtpd_recipient_restrictions": "permit_mynetworks, reject_unauth_destination_typo"}
    done = rehearsed(host, state({**PLACES[name], **broken}))
    assert not done.trouble
    assert any("reject_unauth_destination_typo" in one for one in done.findings), (done.findings, done.log)


@pytest.mark.parametrize(
    "places",
    [
        {"queue_directory": "/usr/queue"}, {"queue_directory": "/proc/queue"}, {"queue_directory": "/dev/null"},
        {"data_directory": "/usr/data"}, {"data_directory": "/etc/passwd"}, {"maillog_file": "/usr/log/mail.log"},
    ],
    ids=str,
)  # fmt: skip
def test_a_place_that_postfix_can_not_use_is_the_commits_fault(host: Host, places: dict[str, str]) -> None:
    done = rehearsed(host, state(places))
    assert not done.trouble
    name, value = next(iter(places.items()))
    assert any(f"{name} = {value} can't be used" in one for one in done.findings), done.findings


def test_a_folder_of_others_is_rehearsed_as_what_it_is(host: Host) -> None:
    done = rehearsed(host, state({"data_directory": "/etc"}))  # which is root's, and master(8) locks a file as postfix
    assert not done.trouble
    assert any("master does not start: open lock file /etc/master.lock" in one for one in done.findings)


def test_the_umask_of_the_caller_does_not_matter(host: Host) -> None:
    command = ("sh", "-c", 'umask 077; exec "$@"', "sh", *REHEARSING)
    done = json.loads(host.run(*command, input=asked(state()), env=ENVIRONMENT).stdout)
    assert done["findings"] == [], done


# ---- what Postfix writes ---------------------------------------------------------------------------------------------

CACHES = {
    "in its own folder": ("btree:${data_directory}/scache", "/var/lib/postfix/scache.db"),
    "elsewhere": ("btree:/srv/caches/scache", "/srv/caches/scache.db"),
}


@pytest.mark.parametrize("mode", ["600", "644"])
@pytest.mark.parametrize("place", CACHES)
def test_a_cache_of_the_host_is_in_no_ones_way(host: Host, place: str, mode: str) -> None:
    value, path = CACHES[place]
    script = 'install -d -o postfix -g postfix "${1%/*}" && install -o postfix -m "$2" /dev/null "$1"'
    host.run("sh", "-c", script, "sh", path, mode)
    done = rehearsed(
        host,
        state({"smtp_tls_security_level": "may", "smtp_tls_session_cache_database": value}, {"flows/a.yaml": SENT}),
    )
    assert done.findings == []
    assert "tlsmgr" not in done.log


def test_the_log_of_the_host_is_not_the_candidates(host: Host) -> None:
    host.write("/var/log/pf.log", f"Nov 26 08:00:00 mx1 r2/smtpd[9]: fatal: {SECRET}\n", 0o644)
    done = rehearsed(host, state({"maillog_file": "/var/log/pf.log"}))
    assert done.findings == []
    assert "connect from" in done.log
    assert SECRET not in done.log


# ---- links in the configuration directory ----------------------------------------------------------------------------


def test_a_link_in_the_configuration_directory_is_followed_to_what_every_user_may_read(host: Host) -> None:
    host.run(
        "sh", "-c", "mkdir -p /srv/lists; ln -sfn /srv/lists /etc/postfix/way; ln -sfn /srv/closed /etc/postfix/no"
    )
    host.write("/srv/lists/access", "one@mx1.example.com 550 listed\n", 0o644)
    host.write("/srv/lists/closed", f"two@mx1.example.com 550 {SECRET}\n", 0o600)
    tables = ", ".join(f"texthash:/etc/postfix/{name}" for name in ("way/access", "way/closed", "no/folder/file"))
    flow = "listed: {from: a@far.example, to: one@mx1.example.com, expect: {refused: 550}}\n"
    asks = {"smtpd_recipient_restrictions": f"check_recipient_access {tables}, reject_unauth_destination"}
    done = rehearsed(host, state(asks, {"flows/a.yaml": flow}))
    assert not done.trouble
    assert done.report["closed"] == ["/etc/postfix/no/folder/file", "/etc/postfix/way/closed"]
    assert done.findings == []
    assert SECRET not in json.dumps(done.report)


FLIP = """
import os
os.chdir("/srv/eve")
while True:
    for real, to in (("table", "/srv/victims/closed"), ("inner", "/srv/victims"), ("made", "/srv/victims")):
        os.rename(real, "." + real)
        os.symlink(to, real)
        os.unlink(real)
        os.rename("." + real, real)
"""
OF_EVE = ("table", "inner/closed", "inner/a", "made/deep/b", "made/deep/er/c", "inner/d")


def test_a_user_who_replaces_names_gains_nothing(host: Host) -> None:
    host.run("sh", "-c", "useradd --system eve; mkdir -p /srv/victims; install -d -o eve /srv/eve")
    host.write("/srv/victims/closed", f"{SECRET} OK\n", 0o600)
    made = "mkdir -p inner made/deep/er; for file; do echo x OK >$file; done"
    host.run("sh", "-c", f"cd /srv/eve; {made}", "sh", *OF_EVE, user="eve")
    before = host.run("find", "/srv/victims", "-ls").stdout
    flipping = host.start("python3", "-c", FLIP, user="eve")
    tables = ", ".join(f"texthash:/srv/eve/{name}" for name in OF_EVE)
    for _ in range(3):
        done = rehearsed(host, state({"smtpd_recipient_restrictions": f"check_recipient_access {tables}, reject"}))
        assert not done.trouble
        assert SECRET not in json.dumps([done.findings, done.report])
    assert flipping.poll() is None
    flipping.kill()
    assert host.run("find", "/srv/victims", "-ls").stdout == before


def test_base_is_healthy_here(host: Host) -> None:
    assert rehearsed(host, state(BASE)).findings == []
