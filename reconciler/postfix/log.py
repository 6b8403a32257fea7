"""The meaning of mail log lines: who wrote them, fatal errors, and the parts that vary.

Pure. Text that a client, a sender or another server chooses never makes a line a fault of ours. Raises nothing.

Known limit: messages are recognised by Postfix's own wording; a message that a later version words differently is
missed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.ascii_text import SPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

# Commands that users and control panels run log under the same name; their errors are not errors of the daemons.
COMMANDS = frozenset({
    "mailq", "newaliases", "postalias", "postcat", "postconf", "postdrop", "postfix", "postfix-script", "postkick",
    "postlock", "postlog", "postmap", "postmulti", "postqueue", "postsuper", "posttls-finger", "sendmail",
})  # fmt: skip
# A time and a host's name precede the tag. A word that ends in a colon is the tag of another program, without a process
# number; the text after it may quote any tag.
_LINE = re.compile(
    r"(?:[^ \[\]]*[^ \[\]:] +){0,8}?(?P<tag>[^ \[\]]+)\[(?P<pid>[0-9]{1,10})\]: (?P<text>.*)", re.ASCII | re.DOTALL
)
# After its master was killed, a delivery agent continues with its message, and its successor finds the file locked.
_ORPHANS = re.compile(r"fatal: (?:shared|exclusive) lock \S+: Resource temporarily unavailable", re.ASCII)
_ACTIVATED = ("reload --", "daemon started --")
# Each pattern starts where Postfix's own words do, because quoted text follows later. They are verbose: spaces are [ ].
_ERROR = r"(?:fatal|panic|error):[ ]"
_REJECT = r"(?:\w+:[ ])?reject(?:_warning)?:[ ][A-Z-]+[ ]from[ ]\S+:[ ]451[ ]4\.3\."
_FATAL = re.compile(
    rf"""{_ERROR} | {_REJECT}5[ ]
    | warning:[ ](?:\S+:[ ]bad[ ]command[ ]startup[ ]--[ ]throttling | (?:\w+:[ ])?unsupported[ ]dictionary[ ]type)""",
    re.VERBOSE | re.ASCII,
)
_QUEUED = re.compile(r"\A(warning: )?(?:[0-9A-F]{6,}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,}): ")
LONGEST = 4096  # characters of a line that are read
_OTHERS_WORDS = re.compile(
    r"; from=.*|<[^>]*(?:>|\Z)|(?<=for )(?:\"[^\"]*\"|\S*@\S*)|(?<![\w.-])[\w.-]+\[[^\[\]]*\](?::\d+)?", re.ASCII
)


class LogLine(NamedTuple):
    """A line that Postfix wrote: the tag (syslog_name, a slash, the program), the process id, and the text."""

    tag: str
    pid: int
    text: str

    @property
    def program(self) -> str:
        """Return the name of the daemon, such as ``smtpd`` for ``postfix/submission/smtpd``."""
        return self.tag.rpartition("/")[2]


def parse(line: str) -> LogLine | None:
    """Parse a line of syslog, of the journal or of postlogd; return None for another format."""
    match = _LINE.fullmatch(line[:LONGEST])
    return LogLine(match["tag"], int(match["pid"]), match["text"]) if match else None


def is_by(text: str, program: str, pid: int) -> bool:
    """Return whether this process of that program logged the line; a line that quotes its tag does not count."""
    line = parse(text)
    return line is not None and (line.program, line.pid) == (program, pid)


def fatal_lines(lines: Iterable[str], names: Collection[str] = ("postfix",)) -> list[LogLine]:
    """Return the fatal lines of an instance's daemons; *names* are its syslog_name and those of its services.

    These are fatal errors, panics, tables that cannot be opened, processes that exit at their start, and the reply
    "Server configuration error" to clients. Lines of commands that any user may run are left out.
    """
    return [line for line in of_daemons(lines, names) if _FATAL.match(line.text)]


def warning_lines(lines: Iterable[str], names: Collection[str]) -> list[LogLine]:
    """Return the warnings of an instance's daemons, whatever their cause is."""
    return [line for line in of_daemons(lines, names) if line.text.startswith("warning: ")]


def of_daemons(lines: Iterable[str], names: Collection[str]) -> Iterator[LogLine]:
    """Return the lines of an instance's daemons, without those that a killed master explains."""
    parsed, is_of = (line for text in lines if (line := parse(text))), _named(names)
    return (line for line in parsed if line.program not in COMMANDS and is_of(line) and not _ORPHANS.match(line.text))


def steady(text: str) -> str:
    """Return a message without its variable parts: process ids, queue ids, names and addresses of other parties."""
    return re.sub(r"\d+", "0", _OTHERS_WORDS.sub("*", _QUEUED.sub(r"\1", text)), flags=re.ASCII)


def since_activation(lines: list[str], names: Collection[str] = ("postfix",)) -> list[str]:
    """Return the lines since the master last read its configuration: what was rolled back before excuses nothing."""
    is_of = _named(names)
    last = next((number for number in reversed(range(len(lines))) if _is_activation(lines[number], is_of)), 0)
    return lines[last:]


def until_activation(lines: list[str], names: Collection[str] = ("postfix",)) -> list[str]:
    """Return the lines up to the first activation, which the configuration before caused; none without one."""
    is_of = _named(names)
    return lines[: next((number for number, text in enumerate(lines) if _is_activation(text, is_of)), 0)]


def _is_activation(text: str, is_of: Callable[[LogLine], bool]) -> bool:
    if not any(words in text for words in _ACTIVATED):  # of thousands of lines, few are parsed
        return False
    line = parse(text)
    return line is not None and line.program == "master" and is_of(line) and line.text.startswith(_ACTIVATED)


def was_stopped(last_line: str) -> bool | None:
    """Return whether a master was stopped on purpose, by the last line that it logged; None without one.

    ``postfix stop``, ``postfix abort``, systemctl and a shutdown all end it with SIGTERM, which it logs; a master that
    dies logs why, or nothing when it was killed. Neither the pid file nor Debian's unit tells the two apart.
    """
    line = parse(last_line)
    return line.text.rstrip(SPACE) == "terminating on signal 15" if line else None


def _named(names: Collection[str]) -> Callable[[LogLine], bool]:
    """Return whether a line is of one of these names, of which there may be one for each of thousands of services."""
    known, lengths = frozenset(names), {len(name) for name in names}
    return lambda line: any(line.tag[one : one + 1] == "/" and line.tag[:one] in known for one in lengths)
