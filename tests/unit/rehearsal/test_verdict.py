"""What is made of a rehearsal's report: Postfix's words, as it has said them, become findings with a place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.unit.rehearsals import report_findings, script_of

if TYPE_CHECKING:
    from reconciler.model import Finding
    from reconciler.rehearsal.script import Script


def number(done: Script, name: str) -> int:
    return next(n for n, service in enumerate(done.services) if service.name == name)


def answered(done: Script, *steps: tuple[str, str], error: str = "") -> list[Finding]:
    first = replace(done, play=done.play | {"dialogues": done.play["dialogues"][:1]})
    return report_findings(first, dialogues=[{"steps": list(steps), "error": error}])


def test_a_quiet_rehearsal_says_nothing() -> None:
    assert (
        report_findings(script_of(), "postfix/master[12]: daemon started -- version 3.7.11, configuration /etc/postfix")
        == []
    )


def test_a_death_is_told_once_at_the_setting_that_it_names() -> None:
    done = script_of({"smtpd_timeout": "300x"})
    death = "fatal: parameter smtpd_timeout: bad time value or unit: 300x"
    throttled = "postfix/master[1]: warning: /usr/lib/postfix/sbin/smtpd: bad command startup -- throttling"
    (found,) = report_findings(done, f"r2/smtpd[9]: {death}", f"r2/smtpd[10]: {death}", throttled)
    assert str(found) == f"mail.yaml:8:20: in a rehearsal smtpd dies: {death.removeprefix('fatal: ')}"
    assert (found.is_error, found.lasting) == (True, False)


def test_an_option_of_the_service_that_spoke_comes_before_main_cf() -> None:
    done = script_of(
        {"smtp_helo_name": "a.example"}, {"master.d/x.cf": "out unix - - n - - smtp\n  -o smtp_helo_name=b_b\n"}
    )
    line = f"r{number(done, 'out')}/smtp[9]: fatal: parameter smtp_helo_name: bad parameter value: b_b"
    assert str(report_findings(done, line)[0]).startswith("master.d/x.cf:2:6: in a rehearsal smtp dies")


def test_a_bad_line_of_a_table_is_named_by_that_line() -> None:
    table = {"tables/hc.pcre": "/a/ OK\n/[/ REJECT\n"}
    done = script_of({"header_checks": "table:hc"}, table)
    (found,) = report_findings(
        done, "r4/cleanup[9]: warning: pcre map /etc/postfix/hc, line 2: error in regex at offset 1: x"
    )
    assert str(found).startswith("tables/hc.pcre:2:1: in a rehearsal cleanup warns: pcre map")


def test_noise_is_no_finding() -> None:
    lines = (
        "r2/smtpd[9]: warning: numeric hostname: 192.0.2.1",
        "r4/cleanup[9]: warning: file system clock is 1 seconds ahead of local clock",
        "postfix/master[1]: warning: process /usr/lib/postfix/sbin/smtpd pid 7 killed by signal 15",
        "r4/cleanup[9]: 70D0D: warning: header Subject: rehearsal from localhost[127.0.0.1]; from=<a@b> to=<c@d>",
        "r21/local[9]: 70D0D: to=<a@b>, relay=local, status=bounced (Command output: pipe: fatal: no)",
    )
    assert report_findings(script_of(), *lines) == []


def test_trouble_of_the_mail_system_is_an_error_and_a_policy_is_none() -> None:
    assert answered(script_of(), ("RCPT TO:<a@b>", "554 5.7.1 <a@b>: Relay access denied")) == []
    assert answered(script_of(), ("RCPT TO:<a@b>", "450 4.2.0 <a@b>: Greylisted")) == []
    (found,) = answered(script_of(), ("RCPT TO:<a@b>", "451 4.3.0 <a@b>: Temporary lookup failure"))
    assert found.text.startswith('in a rehearsal smtp/inet on 127.0.0.1:25 answers "451 4.3.0')


def test_different_reasons_for_the_same_answer_are_different_findings() -> None:
    done = script_of({"mynetworks": "127.0.0.1/8", "canonical_maps": "texthash:/etc/nosuch"})
    one = replace(done, play=done.play | {"dialogues": done.play["dialogues"][:1]})
    told = [{"steps": [["RCPT TO:<a@b>", "451 4.3.0 x"]], "error": ""}]
    subjects = {
        next(f.subject for f in report_findings(one, f"r2/smtpd[9]: warning: {why}", dialogues=told) if f.is_error)
        for why in ('mynetworks: non-null host address bits in "127.0.0.1/8"', "texthash:/etc/nosuch lookup error")
    }
    assert len(subjects) == 2


def test_a_table_that_is_not_in_force_is_an_error_at_its_setting() -> None:
    done = script_of({"header_checks": "regexp:{{/^Subject: (oops/ REJECT}}", "smtpd_banner": "x"})
    said = "warning: regexp map {{/^Subject: (oops/ REJECT}}, line 1: Unmatched ( or \\("
    (found,) = report_findings(done, f"r4/cleanup[9]: {said}")
    assert (found.is_error, found.where.line) == (True, 8)


def test_a_listener_that_asks_for_a_certificate_may_do_without_us() -> None:
    done = script_of({"smtpd_tls_req_ccert": "yes", "smtpd_tls_security_level": "encrypt"})
    reply = "421 4.7.1 mx Error: No client certificate presented"
    assert answered(done, ("EHLO x", "250-mx\n250 STARTTLS"), ("EHLO x", reply)) == []
    assert answered(script_of(), ("EHLO x", "250 mx"), ("EHLO x", reply))


def test_what_is_asked_for_and_not_offered_is_told() -> None:
    done = script_of({"smtpd_tls_security_level": "may", "smtpd_sasl_auth_enable": "yes"})
    rules = [found.rule for found in answered(done, ("EHLO x", "250-mx\n250 SIZE"))]
    assert rules == ["starttls-not-offered", "auth-not-offered"]


def test_a_service_that_dies_of_something_else_is_no_second_finding() -> None:
    done = script_of()
    broken = "r5/qmgr[9]: warning: private/left-over socket: malformed response"
    assert len(report_findings(done, broken)) == 1
    died = f"r{number(done, 'local')}/local[9]: fatal: get_service_attr: unknown username: nosuchuser"
    (finding,) = report_findings(done, died, broken)
    assert "nosuchuser" in finding.text
