"""What the lines of the mail log mean: what is fatal, what is a cause of ours, and what others may say without harm."""

from __future__ import annotations

from typing import ClassVar

import pytest

from reconciler.postfix.log import (
    fatal_lines,
    parse,
    since_activation,
    steady,
    until_activation,
    warning_lines,
    was_stopped,
)
from reconciler.postfix.own_faults import causes
from tests.unit.recorded_host import transcript

NAMES = {"postfix", "postfix/submission"}
OURS = transcript("causes.txt").splitlines()
OTHERS = transcript("no-causes.txt").splitlines()


def logged(line: str) -> str:
    return f"2026-11-22T10:00:00.000000+00:00 mx1 {line}"


def about(word: str) -> str:
    """The text of the first cause that holds a word."""
    one = parse(logged(next(line for line in OURS if word in line)))
    assert one
    return one.text


@pytest.mark.parametrize("line", OURS)
def test_a_cause_of_ours_is_one(line: str) -> None:
    (one,) = causes([logged(line)], NAMES)
    assert logged(line).endswith(one.text)


@pytest.mark.parametrize("line", OTHERS)
def test_nothing_that_others_choose_to_say_is_a_cause_of_ours(line: str) -> None:
    assert causes([logged(line)], NAMES) == []


@pytest.mark.parametrize(
    ("word", "changes"),
    [
        ("Temporary lookup", {"192.0.2.1": "2001:db8::1", "c@d.test": "x@y.test", "a@b.test": "v@w.test"}),
        ("Recipient address", {"mail.b.test": "other.test", "e.test": "f.test"}),
        ("lookup problem for", {"3B2A1C0F2": "3Zx9yBkdWz1", "c@d.test": "x@y.test"}),
        ("lookup error for", {"c@d.test": "x@y.test"}),
    ],
)
def test_the_same_cause_for_another_message_is_the_same(word: str, changes: dict[str, str]) -> None:
    one = other = about(word)
    for before, after in changes.items():
        other = other.replace(before, after)
    assert one != other
    assert steady(one) == steady(other)


def test_another_table_is_another_cause() -> None:
    for word in ("lookup error for", "unapproved table"):
        assert steady(about(word)) != steady(about(word).replace("nosuch", "other"))


def fatal(name: str, *names: str) -> list[tuple[str, str]]:
    lines = transcript(name).splitlines()
    return [(one.program, one.text) for one in fatal_lines(lines, names or ("postfix",))]


def test_a_master_and_a_daemon_that_die_say_why() -> None:
    why = "fatal: /etc/postfix/master.cf: line 138: bad transport type: inetx"
    assert fatal("mail-log-fatal.txt") == [("master", why)]
    assert ("smtpd", "fatal: parameter smtpd_timeout: bad time value or unit: 300x") in fatal("mail-log-smtpd-dies.txt")


def test_mistakes_of_people_at_commands_are_not_fatal() -> None:
    assert "postfix/postmap[" in transcript("mail-log-stopped.txt")
    assert fatal("mail-log-stopped.txt") == []


def test_another_instance_is_not_ours() -> None:
    assert fatal("mail-log-fatal.txt", "postfix-out") == []


def test_the_lines_of_thousands_of_services_are_looked_up_and_not_compared_with_each_name() -> None:
    class Counted(str):
        __slots__ = ()
        asked: ClassVar[int] = 0

        def __eq__(self, other: object) -> bool:
            Counted.asked += 1
            return super().__eq__(other)

        __hash__ = str.__hash__

    names = {Counted(f"postfix/site{number}-out") for number in range(2000)} | {"postfix"}
    line = "2026-11-27T02:57:39.738934+00:00 mx1 postfix/{}/smtp[1380]: fatal: no"
    lines = [line.format(name) for name in ("site7-out", "site1999-out", "site2000-out", "site7-out/deep")] * 50
    assert [found.tag for found in fatal_lines(lines, names)[:3]] == [
        "postfix/site7-out/smtp", "postfix/site1999-out/smtp", "postfix/site2000-out/smtp",
    ]  # fmt: skip
    assert Counted.asked < 20 * len(lines)


def test_a_server_configuration_error_is_fatal_for_those_who_ask() -> None:
    line = (
        "Nov 22 18:20:19 mx1 postfix/submission/smtpd[99]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: "
        "451 4.3.5 Server configuration error; from=<a@example.com>"
    )
    assert [one.program for one in fatal_lines([line])] == ["smtpd"]


SAID = ("fatal: x", "panic: x", "error: x", "451 4.3.5 Server configuration error", "unsupported dictionary type: y")


@pytest.mark.parametrize("said", [*SAID, "warning: z: bad command startup -- throttling"])
@pytest.mark.parametrize("end", [" ", "\u2028", "\x85", "\r", "\x0b"])
def test_what_a_client_says_is_never_fatal_and_never_a_cause(said: str, end: str) -> None:
    lines = [
        logged(f"postfix/smtpd[7]: {text}")
        for text in (
            f'NOQUEUE: reject: RCPT from x[192.0.2.1]: 450 4.1.8 <"x{end}postfix/smtpd[9]: {said}"@v.example>: no',
            f"warning: non-SMTP command from x[192.0.2.1]: GET /smtpd[9]: {said}",
            f"3B2A1C0F2: message-id=<{said}{end}postfix/smtpd[9]: {said}>",
            f"improper command pipelining after EHLO from x[192.0.2.1]: {said}{end}postfix/master[1]: {said}",
        )
    ]
    assert fatal_lines(lines) == []
    assert causes(lines, NAMES) == []


@pytest.mark.parametrize("tag", ["ada:", "kernel:", "cron[9]:", "sshd[7]: error:", "x: y"])
def test_what_another_program_says_is_not_postfix(tag: str) -> None:
    assert fatal_lines([logged(f"{tag} postfix/smtpd[9]: fatal: x")]) == []
    assert causes([logged(f"{tag} postfix/smtpd[9]: fatal: x")], NAMES) == []


def test_only_a_master_starts_an_activation() -> None:
    lines = [logged("postfix/master[5]: reload -- version 3.7.11"), logged("postfix/smtpd[7]: fatal: x")]
    said = logged("postfix/smtpd[7]: warning: non-SMTP command from x[192.0.2.1]: GET /master[5]: reload -- version")
    assert since_activation([*lines, said]) == [*lines, said]


def test_what_the_configuration_before_logged_ends_at_the_first_activation() -> None:
    early, late = logged("postfix/smtpd[7]: warning: early"), logged("postfix/smtpd[8]: warning: late")
    reload = logged("postfix/master[5]: reload -- version 3.7.11, configuration /etc/postfix")
    assert until_activation([early, reload, late, reload]) == [early]
    assert until_activation([early]) == []


def test_another_instance_begins_no_activation_of_this_one() -> None:
    fault, theirs = logged("postfix/smtpd[7]: fatal: x"), logged("postfix-out/master[9]: reload -- version 3.7.11")
    own = theirs.replace("postfix-out/", "postfix/")
    assert since_activation([own, fault, theirs]) == [own, fault, theirs]
    assert until_activation([theirs, fault, own]) == [theirs, fault]
    assert since_activation([own, fault, theirs], {"postfix-out"}) == [theirs]


def test_warnings_are_those_of_the_daemons() -> None:
    lines = [
        logged("postfix/smtpd[7]: warning: connect to Milter service inet:127.0.0.1:1: Connection refused"),
        logged("postfix/postdrop[9]: warning: of a command"),
        logged("other/smtpd[7]: warning: of another instance"),
        logged("postfix/smtpd[7]: connect from x[192.0.2.1]"),
    ]
    assert [line.text[:20] for line in warning_lines(lines, NAMES)] == ["warning: connect to "]


COMMAND = "postfix/smtpd[7]: warning: non-SMTP command from x[192.0.2.1]: GET /master[5]: terminating on signal 15"


@pytest.mark.parametrize(
    ("line", "stopped"),
    [
        ("postfix/master[5]: terminating on signal 15", True),
        ("postfix/master[5]: reload -- version 3.7.11", False),
        (COMMAND, False),
        ("", None),
    ],
)
def test_a_master_was_stopped_if_it_says_so_itself(line: str, stopped: bool | None) -> None:
    assert was_stopped(line) is stopped


def test_a_queue_file_that_an_orphan_still_holds_is_nobodys_fault() -> None:
    line = (
        "Nov 22 23:36:14 mx1 postfix/smtp[71]: fatal: shared lock active/4jXlp14mblz2jFH: Resource temporarily"
        " unavailable"
    )
    other = "Nov 22 23:36:14 mx1 postfix/smtp[71]: fatal: open /nosuch: No such file or directory"
    assert [one.text for one in fatal_lines([line, other])] == ["fatal: open /nosuch: No such file or directory"]
    assert causes([line], ["postfix"]) == []
