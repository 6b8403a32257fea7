"""Whose words a line of a rehearsal's log is, and what makes two messages the same."""

from __future__ import annotations

from reconciler.model import Severity
from reconciler.rehearsal.evidence import gather, last_line, shown, subject_of, unnumbered
from reconciler.rehearsal.inside.messages import Endpoint
from tests.unit.rehearsals import report, script_of


def test_a_tag_leads_to_its_service_and_no_other_name_does() -> None:
    script = script_of()
    lines = ("r0/smtpd[9]: connect", "r1/pickup[9]: x", "postfix/master[1]: reload", "rx/smtpd[9]: x", "15/smtpd[9]: x")
    evidence = gather(script, report(*lines, "no line of Postfix"), str.isalpha)
    services = [evidence.service_of(line) for line in evidence.lines]
    assert services == [script.services[0], script.services[1], None, None, None]


def test_deaths_are_the_lines_that_daemons_end_with() -> None:
    evidence = gather(
        script_of(), report("r0/smtpd[9]: fatal: no", "r0/smtpd[9]: warning: x", "r0/smtpd[9]: panic: y"), str.isalpha
    )
    assert [line.text for line in evidence.deaths] == ["fatal: no", "panic: y"]


def test_a_finding_stands_where_its_words_lead_to_and_else_at_the_service() -> None:
    script = script_of({"smtpd_timeout": "300x"})
    evidence, service = gather(script, report(), str.isalpha), script.services[0]
    named = evidence.finding("service-dies", "it dies", "x", service, "parameter smtpd_timeout: bad time value")
    assert named.where == script.merged.parameters["smtpd_timeout"].where
    assert (named.text, named.severity, named.lasting) == ("in a rehearsal it dies", Severity.ERROR, False)
    assert evidence.finding("service-dies", "it dies", "x", service).where == service.where


def test_a_service_that_nothing_routes_to_need_not_start() -> None:
    pipe = {"master.d/x.cf": "scan unix - n n - - pipe user=nosuch argv=/bin/true\n"}
    unused = script_of(files=pipe)
    used = script_of({"content_filter": "scan"}, pipe)
    for script, is_error in ((unused, False), (used, True)):
        service = next(one for one in script.services if one.name == "scan")
        found = gather(script, report(), str.isalpha).finding("service-dies", "it dies", "x", service)
        assert found.is_error is is_error
    smtpd = next(one for one in unused.services if one.command == "smtpd")
    assert gather(unused, report(), str.isalpha).finding("service-dies", "it dies", "x", smtpd).is_error


def test_messages_are_the_same_but_for_numbers_and_addresses() -> None:
    first, second = "1A2B3C: to=<a@b.example>: port 25", "4D5E6F: to=<long@name.example>: port 587"
    assert unnumbered(first) == unnumbered(second)
    (line,) = gather(script_of(), report(f"r0/smtpd[9]: {first}"), str.isalpha).lines
    assert subject_of(line, line.text) == f"smtpd {unnumbered(second)}"


def test_places_and_replies_are_shown_as_people_write_them() -> None:
    assert shown(Endpoint(address="::1", port=25, wrapped=False, proxy=False)) == "[::1]:25"
    assert shown(Endpoint(address="127.0.0.1", port=25, wrapped=False, proxy=False)) == "127.0.0.1:25"
    assert (last_line("250-a\n250 b"), last_line("")) == ("250 b", "")
