"""The mail log wherever it is, across rotation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.host import maillog
from reconciler.postfix.log import parse
from tests.unit.recorded_host import RecordedHost, transcript


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


def logging(maillog_file: str = "") -> dict[str, str]:
    """Return the parameters that decide where an instance logs."""
    return {"maillog_file": maillog_file, "mail_owner": "postfix"}


def test_the_log_is_where_this_host_keeps_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maillog, "JOURNAL", path.with_name("nosuch"))
    host = RecordedHost({})
    own = maillog.open_log(host, logging("/var/log/postfix.log"))
    assert own == maillog.LogFile(Path("/var/log/postfix.log"), forgeable=False)
    assert maillog.open_log(host, logging("/var/log/mail.log")).forgeable, "syslog writes to this one too"
    assert maillog.open_log(host, logging(), [path.with_name("nosuch"), path]) == maillog.LogFile(path)
    assert "/dev/stdout" in maillog.open_log(host, logging("/dev/stdout")).limit
    nothing = maillog.open_log(host, logging(), [])
    assert "unreadable" in nothing.limit
    assert nothing.since(nothing.mark()) == nothing.before(nothing.mark()) == []


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r"])
def test_only_a_newline_ends_a_line(path: Path, end: str) -> None:
    log = maillog.LogFile(path)
    mark = log.mark()
    line = f'NOQUEUE: reject: RCPT from x[192.0.2.1]: 450 <"x{end} postfix/smtpd[99]: fatal: forged "@v.example>'
    append(path, f"2026-11-22T10:00:00+00:00 mx1 postfix/smtpd[7]: {line}\n")
    (one,) = log.since(mark)
    assert parse(one) == ("postfix/smtpd", 7, line)


def test_the_last_line_of_a_process_is_its_own_and_not_one_that_names_it(path: Path) -> None:
    own = "2026-11-22T10:00:00+00:00 mx1 postfix/master[432]: reload -- version 3.7.11"
    append(path, f"{own}\n")
    command = "warning: non-SMTP command from x[192.0.2.1]: GET /master[432]: terminating on signal 15"
    append(path, f"2026-11-22T10:00:01+00:00 mx1 postfix/smtpd[7]: {command}\n")
    append(path, "2026-11-22T10:00:02+00:00 mx1 ada: postfix/master[432]: terminating on signal 15\n")
    assert maillog.LogFile(path).last_of("master", 432) == own


POSTFIX = 103  # mail_owner, where the journal was recorded
DAEMONS = "/usr/lib/postfix/sbin"
ROOT = maillog.Writers(frozenset({0}))
JOURNAL = [json.loads(line) for line in transcript("journal.jsonl").splitlines()]


def test_the_journal_is_asked_by_its_cursor() -> None:
    host = RecordedHost(
        {"--show-cursor": transcript("journal-cursor.txt"), "--facility=mail": transcript("journal.jsonl")}
    )
    log = maillog.SystemdJournal(host, maillog.Writers(frozenset({0, POSTFIX})))
    mark = log.mark()
    assert mark.cursor.startswith("s=523c2093cf214bd197a8ccdbd9980292;")
    assert any(one.text.startswith("reload") for line in log.since(mark) if (one := parse(line)))
    assert f"--after-cursor={mark.cursor}" in host.asked[-1]


def test_of_the_journal_only_what_postfix_wrote_is_read() -> None:
    host = RecordedHost({"--facility=mail": transcript("journal.jsonl")})
    lines = maillog.SystemdJournal(host, maillog.Writers(frozenset({0, POSTFIX}))).since(maillog.Mark())
    assert len(lines) == len(JOURNAL) - 1, "a local user wrote one of them"
    assert not [line for line in lines if "fatal" in line]
    assert all(parse(line) for line in lines)


def test_an_entry_is_one_line_whatever_it_holds() -> None:
    lines = [maillog.entry_line(entry, ROOT) for entry in JOURNAL[-2:]]
    assert lines == ["postfix/smtpd[316]: warning: one two", "postfix/smtpd[317]: connect from \ufffd\ufffd"]


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({"_UID": "0", "_EXE": "/usr/lib/postfix/sbin/smtpd"}, True),
        ({"_UID": "0", "_EXE": "/usr/lib/postfix/sbin/smtpd (deleted)"}, True),  # its package was upgraded
        ({"_UID": "0"}, True),  # it has ended
        ({"_UID": "103"}, False),  # so has this one, and a daemon would have waited a second
        ({"_UID": "103", "_EXE": "/usr/lib/postfix/sbin/smtpd"}, True),
        ({"_UID": "0", "_EXE": "/usr/bin/logger"}, False),
        ({"_UID": "0", "_EXE": "/usr/lib/postfix/sbin2/smtpd"}, False),
        ({"_UID": "1000", "_EXE": "/usr/lib/postfix/sbin/smtpd"}, False),
    ],
)
def test_an_entry_counts_if_a_program_of_postfix_wrote_it(fields: dict[str, object], counts: bool) -> None:
    entry = {**fields, "MESSAGE": "fatal: x", "SYSLOG_IDENTIFIER": "postfix/smtpd", "_PID": "7"}
    writers = maillog.Writers(frozenset({0, POSTFIX}), DAEMONS)
    assert bool(maillog.entry_line(entry, writers)) is counts


@pytest.mark.parametrize("named", [True, False])
def test_an_ended_process_of_mail_owner_counts_only_where_journald_names_no_program(named: bool) -> None:
    ended = json.dumps({"_UID": str(POSTFIX), "_PID": "7", "SYSLOG_IDENTIFIER": "postfix/smtpd", "MESSAGE": "fatal: x"})
    host = RecordedHost({f"_EXE={DAEMONS}/master": "daemon started\n" * named, "--facility=mail": ended})
    lines = maillog.SystemdJournal(host, maillog.Writers(frozenset({0, POSTFIX}), DAEMONS)).since(maillog.Mark())
    assert lines == ["postfix/smtpd[7]: fatal: x"] * (not named)


@pytest.mark.parametrize("message", [None, 7, [], ["two", "messages"], {"a": 1}])
def test_an_odd_entry_is_no_fatal_error(message: object) -> None:
    line = maillog.entry_line({"_UID": "0", "MESSAGE": message}, ROOT)
    assert "fatal" not in line
