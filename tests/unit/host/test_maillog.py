"""The mail log wherever it is, across rotation, and what in it is fatal or a cause of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.host import maillog
from reconciler.host.maillog import causes, parse, steady
from tests.unit.recorded_host import RecordedHost, transcript

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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "mail.log"
    made.write_text("one\ntwo\n")
    return made


def append(path: Path, text: str) -> None:
    with path.open("a") as stream:
        stream.write(text)


def test_only_what_came_after_the_mark_is_told(path: Path) -> None:
    log = maillog.LogFile(path)
    mark = log.mark()
    assert log.since(mark) == []
    append(path, "three\n")
    assert log.since(mark) == ["three"]
    assert log.before(mark) == ["one", "two"]


def test_a_rotation_loses_no_line(path: Path) -> None:
    log = maillog.LogFile(path)
    mark = log.mark()
    append(path, "three\n")
    path.rename(path.with_name("mail.log.1"))
    assert log.since(mark) == ["three"]
    path.write_text("four\n")
    assert log.since(mark) == ["three", "four"]
    assert log.before(mark) == ["one", "two"]


def test_what_a_process_said_last_is_found_however_much_came_after(path: Path) -> None:
    line = "Nov 22 10:00:00 mx1 postfix/master[{}]: terminating on signal 15"
    path.with_name(f"{path.name}.1").write_text(line.format(7) + "\n")
    noise = "Nov 22 10:00:01 mx1 postfix/smtpd[9]: connect from a client\n" * 50_000
    path.write_text(f"{line.format(8)}\n{noise}")
    log = maillog.LogFile(path)
    assert log.last_of("master", 8) == line.format(8)
    assert log.last_of("master", 7) == line.format(7)
    assert log.last_of("master", 9) == ""
    path.write_text("")
    assert log.last_of("master", 8) == ""


def test_the_lines_before_reach_into_the_rotated_file(path: Path) -> None:
    path.rename(path.with_name("mail.log.1"))
    path.write_text("three\n")
    log = maillog.LogFile(path)
    assert log.before(log.mark()) == ["one", "two", "three"]


def test_a_truncated_log_is_read_from_its_start(path: Path) -> None:
    log = maillog.LogFile(path)
    mark = log.mark()
    path.write_text("new\n")
    assert log.since(mark) == ["new"]


def test_a_log_that_does_not_exist_yet_is_read_from_its_start(tmp_path: Path) -> None:
    log = maillog.LogFile(tmp_path / "later.log")
    mark = log.mark()
    assert log.since(mark) == []
    (tmp_path / "later.log").write_text("first\n")
    assert log.since(mark) == ["first"]


def test_the_log_is_where_this_host_keeps_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maillog, "JOURNAL", path.with_name("nosuch"))
    host = RecordedHost({})
    assert maillog.open_log(host, "/var/log/postfix.log") == maillog.LogFile(Path("/var/log/postfix.log"))
    assert maillog.open_log(host, "", [path.with_name("nosuch"), path]) == maillog.LogFile(path)
    assert "/dev/stdout" in maillog.open_log(host, "/dev/stdout").limit
    nothing = maillog.open_log(host, "", [])
    assert "unreadable" in nothing.limit
    assert nothing.since(nothing.mark()) == nothing.before(nothing.mark()) == []


def test_the_journal_is_asked_by_its_cursor() -> None:
    host = RecordedHost(
        {"--show-cursor": transcript("journal-cursor.txt"), "--facility=mail": transcript("journal.txt")}
    )
    log = maillog.Journal(host)
    mark = log.mark()
    assert mark.cursor.startswith("s=523c2093cf214bd197a8ccdbd9980292;")
    assert [one.text for line in log.since(mark) if (one := maillog.parse(line))][-1].startswith("reload")
    assert f"--after-cursor={mark.cursor}" in host.asked[-1]


def fatal(name: str, *names: str) -> list[tuple[str, str]]:
    lines = transcript(name).splitlines()
    return [(one.program, one.text) for one in maillog.fatal_lines(lines, names or ("postfix",))]


def test_a_master_and_a_daemon_that_die_say_why() -> None:
    why = "fatal: /etc/postfix/master.cf: line 138: bad transport type: inetx"
    assert fatal("mail-log-fatal.txt") == [("master", why)]
    assert ("smtpd", "fatal: parameter smtpd_timeout: bad time value or unit: 300x") in fatal("mail-log-smtpd-dies.txt")


def test_mistakes_of_people_at_commands_are_not_fatal() -> None:
    assert "postfix/postmap[" in transcript("mail-log-stopped.txt")
    assert fatal("mail-log-stopped.txt") == []


def test_another_instance_is_not_ours() -> None:
    assert fatal("mail-log-fatal.txt", "postfix-out") == []


def test_a_server_configuration_error_is_fatal_for_those_who_ask() -> None:
    line = (
        "Nov 22 18:20:19 mx1 postfix/submission/smtpd[99]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: "
        "451 4.3.5 Server configuration error; from=<a@example.com>"
    )
    assert [one.program for one in maillog.fatal_lines([line])] == ["smtpd"]


def test_a_queue_file_that_an_orphan_still_holds_is_nobodys_fault() -> None:
    line = (
        "Nov 22 23:36:14 mx1 postfix/smtp[71]: fatal: shared lock active/4jXlp14mblz2jFH: Resource temporarily"
        " unavailable"
    )
    other = "Nov 22 23:36:14 mx1 postfix/smtp[71]: fatal: open /nosuch: No such file or directory"
    assert [one.text for one in maillog.fatal_lines([line, other])] == [
        "fatal: open /nosuch: No such file or directory"
    ]
    assert maillog.causes([line], ["postfix"]) == []
