"""What the lines of the mail log mean: what is fatal, what is a cause of ours, and what only differs each time.

Pure. Nothing that a client, a sender or another server can choose to say makes a line a cause. Raises nothing.

Known limit: messages are recognised by Postfix's own words; what a later version says in others is passed over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

# Commands that people and panels run log under the same name, and their mistakes say nothing about the daemons.
COMMANDS = frozenset({
    "mailq", "newaliases", "postalias", "postcat", "postconf", "postdrop", "postfix", "postfix-script", "postkick",
    "postlock", "postlog", "postmap", "postmulti", "postqueue", "postsuper", "posttls-finger", "sendmail",
})  # fmt: skip
_LINE = re.compile(r"(?:^|\s)(?P<tag>[^\s\[\]]+)\[(?P<pid>\d+)\]: (?P<text>.*)")
# A delivery agent whose master was killed goes on with its message, and a new one finds the queue file locked.
_ORPHANS = re.compile(r"fatal: (?:shared|exclusive) lock \S+: Resource temporarily unavailable")
_ACTIVATED = re.compile(r"/master\[\d+\]: (?:reload|daemon started) --")
_FATAL = re.compile(
    r"""(?:fatal|panic|error):\ | Server\ configuration\ error | bad\ command\ startup\ --\ throttling
    | unsupported\ dictionary\ type""",
    re.VERBOSE,
)
# What only real traffic meets. Each begins where Postfix's own words do: what others say stands further right.
_CAUSE = re.compile(
    r"""(?:fatal|panic|error):[ ]
    | (?:\w+:\ )?reject(?:_warning)?:\ \S+\ from\ \S+:\ 451\ 4\.3\.(?:5\ |0\ <[^;]*>:\ (?:\w+\ address\ rejected:\ )?
      (?:Temporary\ lookup\ failure|[Mm]ail\ transport\ unavailable))
    | (?:\w+:\ )?warning:\ (?:\w+:\ )?(?:
        \S+:\ bad\ command\ startup\ --\ throttling
      | [\w-]+:\S+\ (?:is\ unavailable\. | lookup\ error\ for[ ]) | [\w-]+:\S+:\ table\ lookup\ problem
      | \w+\ (?:map\ )?lookup\ (?:problem|failure) | connect\ to\ transport[ ] | request\ for\ unapproved\ table
      | unknown\ smtpd\ restriction: | cannot\ get\ \w+\ (?:certificate|private\ key)\ from\ file[ ] )""",
    re.VERBOSE,
)
_UNDELIVERED = re.compile(
    r", dsn=[45]\.3\.\d, status=(?:deferred|bounced) \((?:mail transport unavailable|mail system configuration error"
    r"|server configuration error|temporary lookup failure|alias database unavailable)\)\Z",
    re.IGNORECASE,
)
_SPEAKS_FOR_OTHERS = frozenset({"smtp", "lmtp", "pipe"})  # their status quotes another program's words
_QUEUED = re.compile(r"\A(warning: )?(?:[0-9A-F]{6,}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,}): ")
_OTHERS_WORDS = re.compile(r"; from=.*|<[^>]*>|(?<=for )(?:\"[^\"]*\"|\S*@\S*)|[\w.-]+\[[^\]]*\](?::\d+)?")


class LogLine(NamedTuple):
    """A line as Postfix wrote it: the tag (syslog_name, a slash, the program), the process, the text."""

    tag: str
    pid: int
    text: str

    @property
    def program(self) -> str:
        """The daemon's name: ``smtpd`` of ``postfix/submission/smtpd``."""
        return self.tag.rpartition("/")[2]


def parse(line: str) -> LogLine | None:
    """Read a line of syslog, of the journal or of postlogd; None for one of another form."""
    match = _LINE.search(line)
    return LogLine(match["tag"], int(match["pid"]), match["text"]) if match else None


def fatal_lines(lines: Iterable[str], names: Collection[str] = ("postfix",)) -> list[LogLine]:
    """Return what an instance's daemons cannot go on with; *names* are its syslog_name and those of its services.

    Fatal errors, panics, tables that cannot be opened, processes that die as they start, and the answer "Server
    configuration error" to clients. What was logged by commands that anybody may run is left out.
    """
    return [line for line in _of_daemons(lines, names) if _FATAL.search(line.text)]


def causes(lines: Iterable[str], names: Collection[str]) -> list[LogLine]:
    """Return what only our own configuration can cause, of what an instance's daemons say of real traffic."""
    return [line for line in _of_daemons(lines, names) if _is_cause(line)]


def _of_daemons(lines: Iterable[str], names: Collection[str]) -> Iterator[LogLine]:
    """What an instance's daemons say, but for what only the death of a master explains."""
    parsed = (line for text in lines if (line := parse(text)))
    return (
        line
        for line in parsed
        if line.program not in COMMANDS and _is_of(line, names) and not _ORPHANS.match(line.text)
    )


def _is_cause(line: LogLine) -> bool:
    if line.program not in _SPEAKS_FOR_OTHERS and _UNDELIVERED.search(line.text):
        return True
    # A master that is stopped in the instant of its start logs a fatal master_sigdeath; no setting is wrong then.
    return bool(_CAUSE.match(line.text)) and "master_sigdeath" not in line.text


def steady(text: str) -> str:
    """Return a message without what differs each time: process ids, queue ids, names and addresses of others."""
    return re.sub(r"\d+", "0", _OTHERS_WORDS.sub("*", _QUEUED.sub(r"\1", text)))


def since_activation(lines: list[str]) -> list[str]:
    """Return the lines since the master last read its configuration: what was rolled back before excuses nothing."""
    starts = [number for number, line in enumerate(lines) if _ACTIVATED.search(line)]
    return lines[starts[-1] :] if starts else lines


def _is_of(line: LogLine, names: Collection[str]) -> bool:
    return any(line.tag.startswith(f"{name}/") for name in names)
