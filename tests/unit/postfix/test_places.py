"""The line of the desired state for everything that is found about a Postfix that runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.features.composition import compose
from reconciler.model import Finding, Severity, Where
from reconciler.postfix.places import SourcePlaces
from tests.unit.desired_states import HEALTHY, desired
from tests.unit.host_facts import HOST

PARAMETERS = {"smtpd_milters": "inet:127.0.0.1:8891", "inet_interfaces": "192.0.2.10", "queue_directory": "/srv/queue"}
SERVICES = "127.0.0.1:2525 inet n - n - - smtpd\nout unix - - n - - smtp\n"
STATE = desired(
    PARAMETERS, {"master.d/x.cf": SERVICES}, sender_rewriting={"enabled": True, "domain": "mx.test.example"}
)
FIRST = 4 + len(HEALTHY)  # the line of the first of PARAMETERS
MILTERS, INTERFACES, QUEUE = (f"mail.yaml:{FIRST + place}" for place in range(3))
DESTINATION, HOME = "mail.yaml:4", "mail.yaml:3"
CHANGED = Where("tables/virtual", 7)
PLACES = SourcePlaces(compose(STATE, HOST), "/etc/postfix", STATE.home)
MAIN, MASTER = Where("/etc/postfix/main.cf"), Where("/etc/postfix/master.cf", 8)
WARNING = Severity.WARNING


def found(rule: str, text: str, subject: str = "", where: Where = MAIN, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(rule=rule, where=where, text=text, subject=subject, severity=severity, lasting=False)


ANSWER = (
    'smtp/inet on 127.0.0.1:25: it answers "{}" to a stranger, from <> to the virtual alias recipient info@v.example'
)
# Every rule of what is found after the swap, or about the host alone: its line if no line, and if one line was changed.
FOUND = [
    (found("service-silent", "smtp/inet on [::1]:25: no answer in 10 s", "smtp/inet", MASTER), INTERFACES, CHANGED),
    (found("service-silent", "smtp/inet on [::1]:25: no answer (it was so before)", "smtp/inet", MASTER, WARNING),
     INTERFACES, INTERFACES),
    (found("service-silent", "127.0.0.1:2525/inet on 127.0.0.1:2525: no answer in 10 s", "127.0.0.1:2525/inet"),
     "master.d/x.cf:1", CHANGED),
    (found("service-fails", "smtp/inet on 127.0.0.1:25: it breaks off", "smtp/inet", MASTER), INTERFACES, CHANGED),
    (found("mail-waits", f"{ANSWER.format('451 4.7.1 try later')}; Postfix logged: warning: connect to Milter service"
           " inet:127.0.0.1:8891: Connection refused", "smtp/inet"), MILTERS, MILTERS),
    (found("mail-waits", ANSWER.format("451 4.3.0 try later"), "smtp/inet"), HOME, CHANGED),
    (found("mail-refused", ANSWER.format("550 5.1.1 User unknown in virtual alias table"), "smtp/inet"),
     "tables/virtual:1", "tables/virtual:1"),
    (found("fatal-in-log", "master logged: fatal: bind 127.0.0.1 port 2525: Address already in use", "master"),
     "master.d/x.cf:1", "master.d/x.cf:1"),
    (found("fatal-in-log", "smtpd logged: fatal: it says nothing", "smtpd", MASTER), HOME, CHANGED),
    (found("fatal-in-log", "smtpd logged: fatal: it says nothing", "smtpd", Where("master.d/x.cf", 1)),
     "master.d/x.cf:1", CHANGED),
    (found("master-died", "master died 0.3 s after the activation", "master"), HOME, CHANGED),
    (found("activation", "reload failed: postfix: fatal: parameter inet_interfaces: no local interface", "reload"),
     INTERFACES, INTERFACES),
    (found("activation", "start failed: exit status 1", "start"), HOME, CHANGED),
    (found("sendmail-fails", "a program of this host can't hand in mail: it fails", "postdrop"), HOME, CHANGED),
    (found("sendmail-fails", "a program of this host can't hand in mail: it fails (it was so before)", "postdrop",
           Where("/usr/sbin/postdrop"), WARNING), "/usr/sbin/postdrop:1", "/usr/sbin/postdrop:1"),
    (found("nothing-verified", "no listener takes mail for any recipient", "mail", MAIN, WARNING),
     DESTINATION, DESTINATION),
    (found("stopped-meanwhile", "an administrator stopped Postfix", "postfix", Where("/x/master.pid"), WARNING),
     "/x/master.pid:1", "/x/master.pid:1"),
    (found("not-requeued", "can't requeue mail", "queue", Where("/var/spool/postfix"), WARNING),
     "/var/spool/postfix:1", "/var/spool/postfix:1"),
    (found("queue-left-behind", "1 message waits in /x", "queue_directory", Where("/x"), WARNING), QUEUE, QUEUE),
    (found("companion-in-use", "an SMTP session may still use postsrsd", "companions", Where("/x"), WARNING),
     "/x:1", "/x:1"),
    (found("silent-companion", "PostSRSd does not start", "postsrsd", Where("/x")), f"mail.yaml:{FIRST + 4}",
     f"mail.yaml:{FIRST + 4}"),
    (found("not-confirmed", "not confirmed within 5m: inet_interfaces is a word", "confirm"), HOME, CHANGED),
    (found("no-way-back", "there is no earlier generation", "generations", Where("/x/generations")),
     "/x/generations:1", "/x/generations:1"),
    (found("cause-in-traffic", "cleanup logged: warning: connect to Milter service inet:127.0.0.1:8891: refused",
           "cleanup"), MILTERS, MILTERS),
    (found("cause-in-traffic", "cleanup logged: warning: something else", "cleanup"), HOME, CHANGED),
    (found("turned-away", "6 of 6 answers are refusals; the latest: smtpd logged: NOQUEUE: reject: RCPT from"
           " x[192.0.2.1]: 550 5.1.1 <a@v.example>: User unknown in virtual alias table; from=<>", "smtpd"),
     "tables/virtual:1", "tables/virtual:1"),
    (found("broken-certificate", "it can't be used", "/etc/ssl/x.pem", Where("/etc/ssl/x.pem")),
     "/etc/ssl/x.pem:1", "/etc/ssl/x.pem:1"),
    (found("rehearsal-exceeds", "in a rehearsal this configuration takes inet_interfaces", "rehearsal"), HOME, CHANGED),
]  # fmt: skip


@pytest.mark.parametrize(("finding", "place", "blamed"), FOUND)
def test_a_finding_is_where_a_person_must_write(finding: Finding, place: str, blamed: str | Where) -> None:
    assert str(PLACES.of(finding).where).startswith(f"{place}:")
    changed = replace(PLACES, changed=CHANGED).of(finding).where
    assert changed == blamed or str(changed).startswith(f"{blamed}:")


@pytest.mark.parametrize(("finding", "place", "blamed"), FOUND)
def test_without_a_known_commit_a_finding_stays_on_the_host(finding: Finding, place: str, blamed: str | Where) -> None:
    del place, blamed
    assert SourcePlaces().of(finding) == finding


def test_errors_of_one_cause_are_where_the_first_is_that_names_it() -> None:
    named = found("fatal-in-log", "smtpd logged: fatal: parameter smtpd_milters: bad", "smtpd")
    died, before = found("master-died", "master died"), found("service-silent", "x", "smtp/inet", MASTER, WARNING)
    at = [str(one.where) for one in PLACES.of_all([died, named, before])]
    assert at[0] == at[1]
    assert at[0].startswith(f"{MILTERS}:")
    assert at[2].startswith(f"{INTERFACES}:")
