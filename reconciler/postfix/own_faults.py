"""The lines of the mail log that only a fault of our own configuration, or of a service that it names, can cause.

The tables below are the whole list. Each row has Postfix's own words and the source file of Postfix that writes them. A
row that is CERTAIN names a setting, a file or a service of Postfix: one line is enough. A LASTING row says that a
program did not do what Postfix asked of it: a milter, a policy service, a database, a file system. Such a program may
be restarting, so that the fault must last (postfix/sightings.py). A RETRIED row is a warning that Postfix gives at each
try until one succeeds, as when a busy host reloads: only many of them are a fault.

A milter or a policy service that fails is a fault only if a client is refused, or its message is held, for that reason,
because its default action may accept mail. So the warning counts once the same process says so (*Helpers*).

Pure. Text that a client, a sender or another server chooses never makes a line a fault of ours, because each pattern
begins where Postfix's own words do. Raises nothing.

Known limits: messages are recognised by the words of Postfix 3.7; words of a later version may be missed. A warning
that neither refuses mail nor makes it wait is in no table, nor is one that a client can cause, such as "TLS library
problem".
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.ascii_text import split_words
from reconciler.postfix.log import of_daemons, steady

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from reconciler.postfix.log import LogLine

_MOST = 1000  # processes whose last warning is remembered


class Weight(Enum):
    """How much a line says: enough by itself, only if it lasts, or only if it comes often."""

    CERTAIN = "one line is enough"
    LASTING = "counts if it lasts"
    RETRIED = "counts if it comes often"


class Wording(NamedTuple):
    """Words of Postfix, as a verbose expression (a space is [ ]), and the source file of Postfix that has them."""

    words: str
    source: str
    weight: Weight = Weight.LASTING


# "warning: WORDS"; a queue id, or the name of a service, may stand before the words.
WARNINGS = (
    Wording(r"\S+:[ ]bad[ ]command[ ]startup[ ]--[ ]throttling", "master/master_spawn.c", Weight.CERTAIN),
    Wording(r"[\w-]+:\S+[ ]is[ ]unavailable\.", "util/dict_surrogate.c", Weight.CERTAIN),
    Wording(r"(?!{asks})[\w-]+:\S+[ ]lookup[ ]error[ ]for[ ]", "global/maps.c, smtpd/smtpd_check.c", Weight.CERTAIN),
    Wording(r"(?!{asks})[\w-]+:\S+:[ ]table[ ]lookup[ ]problem", "util/match_ops.c", Weight.CERTAIN),
    Wording(r"{asks}\S*[ ]lookup[ ]error[ ]for[ ]", "global/maps.c, smtpd/smtpd_check.c"),
    Wording(r"{asks}\S*:[ ]table[ ]lookup[ ]problem", "util/match_ops.c"),
    Wording(r"\S+:[ ]lookup[ ]of[ ]'[^']*'[ ]failed", "local/alias.c"),
    Wording(r"\w+[ ](?:map[ ])?lookup[ ](?:problem|failure|error)",
        "cleanup/cleanup_message.c, trivial-rewrite/resolve.c, smtp/smtp_sasl_glue.c"),
    # A proxymap(8) of before a reload says so, too, of a table that is new: then it ends.
    Wording(r"request[ ]for[ ]unapproved[ ]table", "proxymap/proxymap.c"),
    Wording(r"unknown[ ]smtpd[ ]restriction:", "smtpd/smtpd_check.c", Weight.CERTAIN),
    Wording(r"connect[ ]to[ ]transport[ ]", "qmgr/qmgr_transport.c", Weight.CERTAIN),
    Wording(r"connect[ ]\#\d+[ ]to[ ]subsystem[ ]", "global/mail_connect.c", Weight.RETRIED),
    Wording(r"problem[ ]talking[ ]to[ ]service[ ]", "global/*_clnt.c", Weight.RETRIED),
    Wording(r"connect[ ]to[ ]proxy[ ]filter[ ]", "smtpd/smtpd_proxy.c"),
    Wording(r"cannot[ ]connect[ ]to[ ]service[ ]", "postscreen/postscreen_send.c"),
    Wording(r"not[ ]enough[ ]free[ ]space[ ]in[ ]mail[ ]queue:", "smtpd/smtpd_check.c"),
    Wording(r"mail_queue_enter:[ ]create[ ]file[ ]\S+:[ ](?:Permission|Read-only|No[ ]such)",
        "global/mail_queue.c", Weight.CERTAIN),
    Wording(r"mail_queue_enter:[ ]create[ ]file[ ]", "global/mail_queue.c"),
    Wording(r"write[ ]queue[ ]file:", "cleanup/cleanup_out.c"),
    Wording(r"SASL:[ ]Connect[ ]to[ ]", "xsasl/xsasl_dovecot_server.c"),
    Wording(r"\S+\[\S+\]:[ ]SASL[ ][\w-]+[ ]authentication[ ]failed:[ ]"
        r"(?:Connection[ ]lost[ ]to|Can't[ ]connect[ ]to)[ ]authentication[ ]server", "xsasl/xsasl_dovecot_server.c"),
    Wording(r"SASL[ ]authentication[ ](?:failure|problem):[ ](?:cannot[ ]connect[ ]to[ ]saslauthd|unable[ ]to[ ]open)",
        "xsasl/xsasl_cyrus_log.c"),
    Wording(r"error[ ]opening[ ]chain[ ]file:|No[ ]PEM[ ]data[ ]in[ ]", "tls/tls_certkey.c", Weight.CERTAIN),
    Wording(r"{tls}.*disabling[ ]TLS[ ]support\Z",
        "tls/tls_certkey.c, tls/tls_server.c, tls/tls_client.c, tls/tls_misc.c", Weight.CERTAIN),
    Wording(r"No[ ]server[ ]certs[ ]available\.", "smtpd/smtpd.c", Weight.CERTAIN),
    Wording(r"\S+\[\S+:[ ]error[ ]setting[ ]cipher[ ]grade:", "tls/tls_server.c", Weight.CERTAIN),
    Wording(r"TLS[ ]policy[ ]lookup[ ]for[ ]\S+:[ ]client[ ]TLS[ ]configuration[ ]problem", "smtp/smtp_tls_policy.c"),
)  # fmt: skip
# "reject: STAGE from CLIENT: WORDS", by smtpd or by a milter's client within it.
REPLIES = (
    Wording(r"451[ ]4\.3\.5[ ]", "smtpd/smtpd_check.c (Server configuration error or problem), milter/milter8.c"),
    Wording(r"451[ ]4\.3\.0[ ]<[^;]*>:[ ](?:\w+[ ]address[ ]rejected:[ ])?"
        r"(?:Temporary[ ]lookup[ ]failure|[Mm]ail[ ]transport[ ]unavailable)", "smtpd/smtpd_check.c"),
    Wording(r"452[ ]4\.3\.1[ ]Insufficient[ ]system[ ]storage", "smtpd/smtpd_check.c"),
)  # fmt: skip
# ", dsn=X.Y.Z, status=deferred (WORDS)"; a socket with a path belongs to a mail store on this host.
DELIVERIES = (
    Wording(r"[45]\.3\.\d,[ ]status=(?:deferred|bounced)[ ]\((?:mail[ ]transport[ ]unavailable|mail[ ]system"
        r"[ ]configuration[ ]error|server[ ]configuration[ ]error|temporary"
        r"[ ]lookup[ ]failure|alias[ ]database[ ]unavailable)\)\Z",
        "global/bounce.c, local/*.c, pipe/pipe.c, virtual/*.c"),
    Wording(r"4\.4\.\d,[ ]status=deferred[ ]\(connect[ ]to[ ]\S+\[(?:private|public)?/[^]]*\]:[ ]",
        "smtp/smtp_connect.c"),
)  # fmt: skip
# A milter or a policy service that does not work; the answer that follows from it is in the next table.
HELPERS = (
    Wording(r"connect[ ]to[ ]Milter[ ]service[ ]", "milter/milter8.c"),
    Wording(r"milter[ ]\S+:[ ](?:can't[ ]read|error[ ]writing|unreasonable|bad[ ]packet|malformed|unexpected"
        r"|no[ ]protocol|read[ ]error|write[ ]error)", "milter/milter8.c"),
    Wording(r"(?:invalid[ ]transport[ ]name:[ ]\S+[ ]in[ ]Milter|Milter[ ]service[ ]needs|milter[ ]service[ ]syntax)",
        "milter/milter8.c, milter/milter.c"),
    Wording(r"problem[ ]talking[ ]to[ ]server[ ]", "util/attr_clnt.c"),
)  # fmt: skip
UNSERVED = (
    Wording(
        r"milter-reject:[ ][A-Z-]+[ ]from[ ]\S+:[ ](?:[45]\d\d[ ])?[45]\.\d\.\d[ ]Service[ ]unavailable",
        "milter/milter8.c",
    ),
    Wording(
        r"milter-reject:[ ][A-Z-]+[ ]from[ ]\S+:[ ](?:[45]\d\d[ ])?4\.3\.5[ ]Server[ ]configuration", "milter/milter8.c"
    ),
    Wording(
        r"reject:[ ][A-Z-]+[ ]from[ ]\S+:[ ]451[ ]4\.3\.5[ ].*Server[ ]configuration[ ]problem", "smtpd/smtpd_check.c"
    ),
    Wording(
        r"milter-hold:[ ][A-Z-]+[ ]from[ ]\S+:[ ]milter[ ]triggers[ ]HOLD", "smtpd/smtpd.c, cleanup/cleanup_milter.c"
    ),
)
# What header_checks and body_checks quote is a sender's.
_NO_CHECK = r"(?!(?:header|body|mime|nested|content)[ ])"
# Tables that are answered by another program.
_ASKS = r"(?:proxy|tcp|socketmap|ldap|mysql|pgsql|memcache|nis|nisplus|netinfo|mongodb):"
_TLS = (
    r"(?:cannot[ ](?:get|load|set|allocate)[ ]|\w+[ ]private[ ]key[ ]in[ ]|Invalid[ ]TLS[ ]protocol|no[ ]entropy[ ]for"
    r"|non-default[ ]\w+[ ]=|OpenSSL[ ]DANE|error[ ](?:loading|allocating|initializing)[ ])"
)


def _either(rows: Iterable[Wording]) -> str:
    alternatives = "|".join(f"(?:{row.words})" for row in rows)
    return f"(?:{alternatives})".replace("{asks}", _ASKS).replace("{tls}", _TLS)


def _expression(rows: tuple[Wording, ...], *others: str) -> re.Pattern[str]:
    warnings = rf"(?:\w+:[ ])?(?:warning:[ ]{_NO_CHECK}(?:\w+:[ ])?)?{_either(rows)}"
    return re.compile("|".join((warnings, *others)), re.VERBOSE | re.ASCII)


_CERTAIN = _expression(tuple(row for row in WARNINGS if row.weight is Weight.CERTAIN), r"(?:fatal|panic|error):[ ]")
_RETRIED = _expression(tuple(row for row in WARNINGS if row.weight is Weight.RETRIED))
_LASTING = _expression(
    tuple(row for row in WARNINGS if row.weight is Weight.LASTING),
    rf"(?:\w+:[ ])?(?:milter-)?reject(?:_warning)?:[ ][A-Z-]+[ ]from[ ]\S+:[ ]{_either(REPLIES)}",
)
_UNDELIVERED = re.compile(rf",[ ]dsn={_either(DELIVERIES)}", re.VERBOSE | re.ASCII | re.IGNORECASE)
_TROUBLE = re.compile(rf"(?:\w+:[ ])?warning:[ ]{_either(HELPERS)}", re.VERBOSE | re.ASCII)
_UNSERVED = re.compile(rf"\w+:[ ]{_either(UNSERVED)}", re.VERBOSE | re.ASCII)
_SPEAKS_FOR_OTHERS = frozenset({"smtp", "lmtp", "pipe"})  # their status quotes another program
_OWN_SOCKET = "status=deferred (connect to "  # these words are Postfix's, whichever program says them
_BEGINS = "connect from "
_ENDPOINT = re.compile(r"(?:[\w-]+:|\d+\.)\S*[/\d]\S*|/\S+", re.ASCII)  # inet:127.0.0.1:25, hash:/etc/x, 127.0.0.1:25


def key(line: LogLine) -> tuple[str, str]:
    """Return what is equal for the same fault: the service, its words, and the tables and sockets that they name."""
    own = line.text.partition(" for ")[0] if line.text.startswith("warning: ") else ""
    return line.tag, " ".join((steady(line.text), *filter(_ENDPOINT.fullmatch, split_words(own))))


def weight(line: LogLine) -> Weight | None:
    """Return how much a line of a daemon says against the configuration; None if it says nothing."""
    if "master_sigdeath" in line.text:  # a master that is stopped while it starts, which no setting causes
        return None
    if _CERTAIN.match(line.text):
        return Weight.CERTAIN
    if _RETRIED.match(line.text):
        return Weight.RETRIED
    return Weight.LASTING if _LASTING.match(line.text) or _is_undelivered(line) else None


def _is_undelivered(line: LogLine) -> bool:
    if line.text.count(", dsn=") != 1:  # else an address or another program may have chosen the words
        return False
    speaks_for_itself = line.program not in _SPEAKS_FOR_OTHERS or _OWN_SOCKET in line.text
    return speaks_for_itself and _UNDELIVERED.search(line.text) is not None


class Helpers:
    """The processes whose milter or policy service does not work: a fault once the same process refuses mail for it."""

    def __init__(self) -> None:
        self._warned: dict[int, LogLine] = {}

    def fault(self, line: LogLine) -> LogLine | None:
        """Read a line; return the warning of the service that made its process refuse or hold mail, once."""
        if _TROUBLE.match(line.text):
            if len(self._warned) >= _MOST:
                self._warned.clear()
            self._warned.setdefault(line.pid, line)
        elif line.text.startswith(_BEGINS):  # another client, or the same once more
            self._warned.pop(line.pid, None)
        elif line.pid in self._warned and _UNSERVED.match(line.text):
            return self._warned.pop(line.pid)
        return None


def own_faults(lines: Iterable[LogLine], helpers: Helpers) -> Iterator[tuple[LogLine, Weight]]:
    """Yield the lines that only a fault of our own configuration, or of a service that it names, can cause."""
    for line in lines:
        if warning := helpers.fault(line):
            yield warning, Weight.LASTING
        elif found := weight(line):
            yield line, found


def causes(lines: Iterable[str], names: Collection[str]) -> list[LogLine]:
    """Return the faults in lines of a log, by the daemons of the instance with these syslog names."""
    return [line for line, _ in own_faults(of_daemons(lines, names), Helpers())]
