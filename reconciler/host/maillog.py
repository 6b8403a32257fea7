"""Read the mail log, wherever this host keeps it. postfix/log.py interprets its lines.

A line ends where its writer ended it: other characters that Unicode calls line ends come from clients. Of the journal,
only the entries are read that programs in Postfix's *daemon_directory* wrote as root or as *mail_owner*; journald gets
the user and the program from the kernel. A syslog file does not show who wrote a line: any local user can log as
Postfix (*forgeable*), so that its lines need a second witness.

Promises: mark() remembers a position, since() returns every line after it, across a rotation by renaming or by
truncating, and before() the lines just ahead of it; *places* are the paths that change when a line is logged. If no log
can be read, all of these are empty, and *limit* gives the reason for `status`. Raises CommandFailed when journalctl
fails, OSError as the kernel gives it.

Known limits: the end of a log that is rotated and compressed at once can't be read. With journald, a line becomes
visible some milliseconds after it was logged.
"""

from __future__ import annotations

import json
import mmap
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from reconciler.host.effects import uid_of
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.log import is_by

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from reconciler.host.effects import Host

JOURNAL = Path("/run/systemd/journal/socket")
JOURNAL_FOLDERS = (Path("/run/log/journal"), Path("/var/log/journal"))
FILES = (Path("/var/log/mail.log"), Path("/var/log/maillog"))
BEFORE = 1 << 20
BEFORE_LINES = 5000
_ROOT = "0"
_ALWAYS_THERE = ("master", "qmgr", "pickup", "smtpd", "cleanup")


class Mark(NamedTuple):
    """A position in a log: a file's inode and offset, or journald's cursor."""

    inode: int = 0
    offset: int = 0
    cursor: str = ""


class MailLog(Protocol):
    """A mail log."""

    @property
    def limit(self) -> str:
        """The reason why the log can't be read, or empty."""

    @property
    def forgeable(self) -> bool:
        """Whether local users can add lines in the name of Postfix."""

    @property
    def places(self) -> tuple[Path, ...]:
        """The paths that change when a line is logged: the file or its folder, or the journal's folders."""

    def mark(self) -> Mark:
        """Return the current end."""

    def since(self, mark: Mark) -> list[str]:
        """Return the lines after the mark."""

    def before(self, mark: Mark) -> list[str]:
        """Return some of the latest lines ahead of the mark."""

    def last_of(self, program: str, pid: int) -> str:
        """Return the last line that this process of that program logged, however old; empty if there is none."""


def open_log(host: Host, values: Mapping[str, str], files: Collection[Path] = FILES) -> MailLog:
    """Return the log of an instance with these parameters: its maillog_file, systemd's journal, or a syslog file."""
    if values["maillog_file"]:
        path = Path(values["maillog_file"])
        return (
            UnreadableLog(f"mail log unreadable: it is written to {path}")
            if path.is_relative_to("/dev")
            else LogFile(path, forgeable=path in files)  # postlogd's socket is for Postfix alone, syslog's is for all
        )
    if JOURNAL.exists() and shutil.which("journalctl"):
        return SystemdJournal(host, Writers(_uids(values["mail_owner"]), _real(values.get("daemon_directory", ""))))
    readable = [path for path in files if path.is_file()]
    return (
        LogFile(readable[0]) if readable else UnreadableLog("mail log unreadable: there is no journal and no log file")
    )


class Writers(NamedTuple):
    """The processes whose entries of the journal count: of these users, with a program from this folder if it is known.

    journald can't name the program of a process that has ended. Postfix's daemons live a second longer than their last
    words, except for the master, which is root's: an entry of another user without a program counts only where journald
    names no program at all.
    """

    uids: frozenset[int]
    folder: str = ""

    def wrote(self, entry: dict[str, object], *, unnamed: bool = False) -> bool:
        """Return whether one of them wrote an entry: journald itself sets these fields (systemd.journal-fields(7))."""
        user, program = str(entry.get("_UID")), str(entry.get("_EXE") or "")
        if user not in map(str, self.uids):
            return False
        if program:
            return not self.folder or program.startswith(f"{self.folder}/")
        return not self.folder or user == _ROOT or unnamed

    def doubts(self, entry: dict[str, object]) -> bool:
        """Return whether it matters for an entry if journald names programs."""
        return self.wrote(entry, unnamed=True) and not self.wrote(entry)


def _real(folder: str) -> str:
    """Return a folder as the kernel names its programs; empty for none."""
    return str(Path(folder).resolve()) if folder else ""


def _uids(mail_owner: str) -> frozenset[int]:
    """Return the users whose processes are Postfix's daemons: root and mail_owner, by name or by number."""
    with suppress(KeyError):
        return frozenset({0, uid_of(mail_owner)})
    return frozenset({0})


@dataclass(frozen=True, slots=True)
class UnreadableLog:
    """A log that can't be read."""

    limit: str
    places: tuple[Path, ...] = ()
    forgeable: bool = False

    def mark(self) -> Mark:
        """Remember nothing."""
        return Mark()

    def since(self, mark: Mark) -> list[str]:  # noqa: ARG002 - a MailLog
        """No lines."""
        return []

    def before(self, mark: Mark) -> list[str]:  # noqa: ARG002 - a MailLog
        """No lines."""
        return []

    def last_of(self, program: str, pid: int) -> str:  # noqa: ARG002 - a MailLog
        """No line."""
        return ""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file that syslog or postlogd writes; it may be created later."""

    path: Path
    limit: str = ""
    forgeable: bool = True

    @property
    def places(self) -> tuple[Path, ...]:
        """The file, or the folder in which it will be created."""
        return (self.path if self.path.exists() else self.path.parent,)

    def mark(self) -> Mark:
        """Return the file's inode and its length."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return Mark()
        return Mark(inode=status.st_ino, offset=status.st_size)

    def since(self, mark: Mark) -> list[str]:
        """Return the rest of the marked file, wherever it is now, and the whole of the file that replaced it."""
        lines: list[str] = []
        start = 0
        if self._is(self.path, mark.inode):
            start = mark.offset if self.path.stat().st_size >= mark.offset else 0
        elif rotated := next((path for path in self._rotated() if self._is(path, mark.inode)), None):
            lines += _lines(rotated, mark.offset)
        return lines + _lines(self.path, start)

    def before(self, mark: Mark) -> list[str]:
        """Return the last megabyte ahead of the mark; for a short file, also the end of the one before it."""
        path = next((path for path in (self.path, *self._rotated()) if self._is(path, mark.inode)), None)
        if path is None:
            return []
        start = max(0, mark.offset - BEFORE)
        previous = self.path.with_name(f"{self.path.name}.1")
        older = [] if start or path == previous or not previous.is_file() else _tail(previous)
        return older + _lines(path, start, mark.offset - start)

    def last_of(self, program: str, pid: int) -> str:
        """Return the last such line of the file, or of the one before it; a gigabyte takes a second."""
        files = (self.path, self.path.with_name(f"{self.path.name}.1"))
        return next((line for path in files if (line := _last_line(path, program, pid))), "")

    def _rotated(self) -> Iterator[Path]:
        return self.path.parent.glob(f"{self.path.name}?*")

    @staticmethod
    def _is(path: Path, inode: int) -> bool:
        return path.is_file() and path.stat().st_ino == inode


def _last_line(path: Path, program: str, pid: int) -> str:
    """Return the last line of a file that this process logged; the file is searched by mapping it."""
    wanted = f"/{program}[{pid}]: ".encode()
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
            place = len(text)
            while (place := text.rfind(wanted, 0, place)) >= 0:
                start, end = text.rfind(b"\n", 0, place) + 1, text.find(b"\n", place)
                line = text[start : end if end >= 0 else len(text)].decode("utf-8", "replace")
                if is_by(line, program, pid):  # else a client or another program wrote the words
                    return line
                place = start
    except (FileNotFoundError, ValueError):  # an empty file can't be mapped
        pass
    return ""


def _tail(path: Path) -> list[str]:
    return _lines(path, max(0, path.stat().st_size - BEFORE))


def _lines(path: Path, start: int, length: int = -1) -> list[str]:
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            text = stream.read(length).decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return text.removesuffix("\n").split("\n") if text else []


@dataclass(frozen=True, slots=True)
class SystemdJournal:
    """systemd's journal, in which mail is a facility; only the entries of *writers* count."""

    host: Host
    writers: Writers
    limit: str = ""
    forgeable: bool = False

    @property
    def places(self) -> tuple[Path, ...]:
        """The folders of this machine's journal, in memory and on disk."""
        return tuple(path for folder in JOURNAL_FOLDERS for path in folder.glob("*/") if path.is_dir())

    def mark(self) -> Mark:
        """Return the cursor of the last mail line; after any other, journalctl omits the first mail line."""
        text = self._journalctl("--output=short-iso", "--facility=mail", "--lines=1", "--show-cursor")
        return Mark(cursor=text.rpartition("-- cursor: ")[2].strip(SPACE))

    def since(self, mark: Mark) -> list[str]:
        """Return the lines after that entry; all lines if the journal was empty."""
        return self._lines(*((f"--after-cursor={mark.cursor}",) if mark.cursor else ()))

    def before(self, mark: Mark) -> list[str]:
        """Return the last few thousand lines up to the mark."""
        if not mark.cursor:
            return []
        return self._lines(f"--cursor={mark.cursor}", "--reverse", f"--lines={BEFORE_LINES}")[::-1]

    def last_of(self, program: str, pid: int) -> str:
        """Return the last line of that process in the journal."""
        lines = self._lines(f"_PID={pid}", "--lines=20")
        return next((line for line in reversed(lines) if is_by(line, program, pid)), "")

    def _lines(self, *options: str) -> list[str]:
        """Return entries as lines of the form ``tag[pid]: text``."""
        fields = "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_PID,_UID,_EXE"
        text = self._journalctl("--output=json", "--all", fields, "--facility=mail", *options)
        entries = [json.loads(entry) for entry in text.split("\n") if entry]
        unnamed = any(map(self.writers.doubts, entries)) and not self._names_programs()
        return [line for entry in entries if (line := entry_line(entry, self.writers, unnamed=unnamed))]

    def _names_programs(self) -> bool:
        """Return whether journald named the program of any daemon that always runs."""
        programs = (f"_EXE={self.writers.folder}/{name}" for name in _ALWAYS_THERE)
        return bool(self._journalctl("--facility=mail", "--lines=1", "--output=cat", *programs))

    def _journalctl(self, *options: str) -> str:
        argv = ("journalctl", "--quiet", "--no-pager", *options)
        done = self.host.run(argv)
        nothing_found = done.status == 1 and not done.stdout.strip(SPACE) and not done.stderr.strip(SPACE)
        return "" if nothing_found else done.checked().stdout


def entry_line(entry: dict[str, object], writers: Writers, *, unnamed: bool = False) -> str:
    """Return an entry of ``journalctl --output=json`` as one line; empty unless one of *writers* wrote it.

    *unnamed*: journald names no program.
    """
    if not writers.wrote(entry, unnamed=unnamed):
        return ""
    message = entry.get("MESSAGE")
    if isinstance(message, list):  # bytes, where a client's are not UTF-8
        message = bytes(one for one in message if isinstance(one, int)).decode("utf-8", "replace")
    text = str(message).replace("\n", " ")
    return f"{entry.get('SYSLOG_IDENTIFIER')}[{entry.get('_PID')}]: {text}"
