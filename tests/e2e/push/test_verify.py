"""After an activation, a Postfix that works has no findings, and one that does not is told apart by what is wrong."""

from __future__ import annotations

import json
import sys
from typing import NamedTuple

from tests.e2e.hosts import CHECKOUT, Host

# Runs inside the host, for verify() looks at the processes and the network that it lives in.
SCRIPT = """
import json, sys
from pathlib import Path
from reconciler.host import facts, processes
from reconciler.host.effects import Host
from reconciler.host.maillog import open_log
from reconciler.host.programs import postfix
from reconciler.host.settings import Settings
from reconciler.postfix.syntax import read_master
from reconciler.apply.targets import Expected
from reconciler.apply.verify import verify

host, directory = Host(), Path("/etc/postfix")
instance = postfix.live(host, directory)
log = open_log(host, instance.values)
mark, since = log.mark(), processes.boot_clock()
exec(sys.argv[1])
master = postfix.last_pid(instance)
known = facts.gather(host, Settings(host="mx1", config_directory=directory))
services, _ = read_master((directory / "master.cf").read_text(), "master.cf")
expected = Expected(
    instance=postfix.live(host, directory), services=tuple(services), addresses=known.addresses, ports=known.ports,
    log=log, mark=mark, since=since, settle=1.5, master=master, patience=3,
)
seen = verify(expected)
print(json.dumps([[(one.rule, one.where.line, one.text) for one in seen.findings], seen.died, seen.silent]))
"""
RELOAD = "postfix.reload(host, instance)"
KEY = """
umask 077
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mx1.example.com -keyout /etc/ssl/key -out /etc/ssl/cert 2>&1
"""


class Found(NamedTuple):
    """A finding, as it crossed into the test."""

    rule: str
    line: int
    text: str


class Seen(NamedTuple):
    """What verify() answered."""

    findings: list[Found]
    died: bool
    silent: bool


def seen(host: Host, activate: str = RELOAD, **parameters: str) -> Seen:
    """Set parameters, activate, and return what verify() answers inside."""
    if parameters:
        host.run("postconf", "-e", *(f"{name} = {value}" for name, value in parameters.items()))
        host.run("touch", "-d", "1 minute ago", "/etc/postfix/main.cf")
    environment = {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
    completed = host.run(sys.executable, "-c", SCRIPT, activate, env=environment)
    findings, died, silent = json.loads(completed.stdout)
    return Seen([Found(*finding) for finding in findings], died, silent)


def verified(host: Host, activate: str = RELOAD, **parameters: str) -> list[Found]:
    """Set parameters, activate, and return what verify() finds inside."""
    return seen(host, activate, **parameters).findings


def add(host: Host, *services: str) -> None:
    """Add services to master.cf."""
    host.write("/etc/postfix/master.cf", host.read("/etc/postfix/master.cf") + "\n".join(services) + "\n")


def line_of(host: Host, start: str) -> int:
    """Return the line of master.cf that starts like this."""
    lines = host.read("/etc/postfix/master.cf").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(start))


def test_a_healthy_postfix_has_no_findings(host: Host) -> None:
    assert verified(host) == []
    assert verified(host, "postfix.restart(host, instance)") == []


def test_every_kind_of_listener_that_works_has_no_findings(host: Host) -> None:
    host.run("sh", "-c", KEY)
    add(
        host,
        "192.0.2.10:2525 inet n - n - - smtpd",
        "[::1]:2526 inet n - n - - smtpd",
        "submission inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o syslog_name=postfix/submission",
        "smtps inet n - n - - smtpd -o smtpd_tls_wrappermode=yes",
        "127.0.0.1:2527 inet n - n - - smtpd -o smtpd_tls_req_ccert=yes -o smtpd_tls_security_level=encrypt",
        "127.0.0.1:2528 inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy",
        "127.0.0.1:2529 inet n - n - - smtpd -o smtpd_client_restrictions=reject -o smtpd_delay_reject=no",
        "127.0.0.1:2530 inet n - n - 1 postscreen",
        "smtpd pass - - n - - smtpd",  # to which postscreen hands its clients over
        "127.0.0.1:2531 inet n n n - - spawn user=nobody argv=/bin/cat",
    )
    tls = {"smtpd_tls_cert_file": "/etc/ssl/cert", "smtpd_tls_key_file": "/etc/ssl/key"}
    assert verified(host, **tls, smtpd_tls_security_level="may", inet_interfaces="all") == []


def test_a_master_that_dies_after_the_reload_is_found_at_once_and_with_its_reason(host: Host) -> None:
    add(host, "foo inetx n - n - - smtpd")
    died, reason = verified(host)
    assert died.rule == "master-died"
    assert died.text.startswith("master died ")
    assert died.text.endswith(" s after the activation")
    assert reason.rule == "fatal-in-log"
    assert "bad transport type: inetx" in reason.text


def test_a_master_that_was_killed_is_found(host: Host) -> None:
    found = verified(host, f"{RELOAD}; host.signal(postfix.running(instance), 9)")
    assert [one.rule for one in found] == ["master-died"]


def test_a_listener_that_never_answers_is_found_with_its_line(host: Host) -> None:
    add(host, "127.0.0.1:3199 inet n - n - - smtpd -o syslog_name=postfix/silent -o smtpd_timeout=300x")
    found = verified(host)
    assert {one.rule for one in found} == {"fatal-in-log"}
    assert found[0].line == line_of(host, "127.0.0.1:3199")
    assert "smtpd logged: fatal: parameter smtpd_timeout: bad time value" in found[0].text


def test_a_port_that_nobody_listens_on_is_found(host: Host) -> None:
    add(host, "127.0.0.1:3199 inet n - n - - smtpd")
    found = [one for one in verified(host, "pass") if "3199" in one.text]
    assert [(one.rule, one.line) for one in found] == [("service-silent", line_of(host, "127.0.0.1:3199"))]
    assert "connection refused" in found[0].text


def test_an_old_process_that_still_answers_does_not_count(host: Host) -> None:
    add(host, "127.0.0.1:3199 inet n - n - 1 smtpd")
    assert verified(host) == []
    found = [one for one in verified(host, "pass") if "3199" in one.text]  # its only smtpd waits for more since then
    assert [one.rule for one in found] == ["service-silent"]
    assert "only a process from before the activation answers" in found[0].text


def test_what_nothing_explains_is_told_from_what_the_log_or_a_reply_explains(host: Host) -> None:
    assert seen(host)[1:] == (False, False)
    assert seen(host, f"{RELOAD}; host.signal(postfix.running(instance), 9)")[1:] == (True, True)
    assert seen(host, "postfix.start(host, instance)")[1:] == (False, False)
    add(host, "127.0.0.1:3199 inet n - n - - smtpd")
    assert seen(host, "pass")[1:] == (False, True)
    assert seen(host, smtpd_tls_security_level="may", smtpd_tls_cert_file="/nosuch")[1:] == (False, False)
    add(host, "foo inetx n - n - - smtpd")
    assert seen(host)[1:] == (True, False)


def test_only_what_the_configuration_before_said_too_is_excused(host: Host) -> None:
    line = "127.0.0.1:3199 inet n - n - - smtpd -o smtpd_timeout=300x"
    add(host, line)
    assert "fatal-in-log" in {one.rule for one in verified(host)}
    assert "fatal-in-log" not in {one.rule for one in verified(host)}
    host.run("sed", "-i", "/^127.0.0.1:3199/d", "/etc/postfix/master.cf")
    assert verified(host) == []
    add(host, line)
    assert "fatal-in-log" in {one.rule for one in verified(host)}


def test_starttls_that_is_offered_and_fails_is_found(host: Host) -> None:
    missing = {"smtpd_tls_cert_file": "/etc/ssl/nosuch", "smtpd_tls_key_file": "/etc/ssl/nosuch"}
    found = verified(host, smtpd_tls_security_level="may", **missing)
    assert found
    assert {one.rule for one in found} == {"service-fails"}
    assert 'it offers STARTTLS, then answers "454 4.7.0 TLS not available' in found[0].text


def test_tls_from_the_first_byte_that_fails_is_found(host: Host) -> None:
    add(host, "127.0.0.1:465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes")
    found = verified(host)
    assert line_of(host, "127.0.0.1:465") in [one.line for one in found]


def test_under_systemd_a_restart_goes_through_the_unit_and_the_journal_is_read(systemd_host: Host) -> None:
    systemd_host.start_postfix()
    assert verified(systemd_host, "postfix.restart(host, instance)") == []
    pid = systemd_host.read("/var/spool/postfix/pid/master.pid").strip()
    assert "postfix@-.service" in systemd_host.read(f"/proc/{pid}/cgroup")
    add(systemd_host, "foo inetx n - n - - smtpd")
    assert [one.rule for one in verified(systemd_host)] == ["master-died", "fatal-in-log"]
    systemd_host.run("sed", "-i", "/^foo/d", "/etc/postfix/master.cf")
    often = "for _ in range(7): postfix.start(host, instance)"  # more than systemd's patience allows in ten seconds
    assert verified(systemd_host, often) == []
