"""The mail log wherever it is, across rotation."""

from __future__ import annotations

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
    log = maillog.SystemdJournal(host)
    mark = log.mark()
    assert mark.cursor.startswith("s=523c2093cf214bd197a8ccdbd9980292;")
    assert [one.text for line in log.since(mark) if (one := parse(line))][-1].startswith("reload")
    assert f"--after-cursor={mark.cursor}" in host.asked[-1]
