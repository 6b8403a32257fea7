"""DNS records as text: one reader for zone files, and checks of records taken together.

A record is ``NAME. TTL IN TYPE DATA``, as in a master file (RFC 1035, 5.1), without the features that make its meaning
depend on the records before it: no indentation, no relative names, no directives. rdata.py reads the words and the
data. Raises nothing: a record that can't be read becomes a finding at the source of its first line.

Known limit: SPF lookups (RFC 7208) are counted in the record itself; in other policies only if *fetch* returns them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import TYPE_CHECKING

from reconciler.features.dns import rdata
from reconciler.features.dns.rdata import MalformedRecord
from reconciler.model import UNWRITTEN, Finding, Severity, Where, did_you_mean, error_at
from reconciler.model.ascii_text import SPACE, split_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_LOOKUPS, MAX_TTL = 10, 2**31 - 1
_MECHANISM = re.compile(r"[-+~?]?(?P<name>[a-z0-9]+)(?P<value>[:/].*)?\Z", re.IGNORECASE | re.ASCII)
_COSTLY = ("include", "a", "mx", "ptr", "exists", "redirect")
_MECHANISMS = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists")


@dataclass(frozen=True, slots=True, order=True)
class Record:
    """One record in normal form: its name in lower case with the final period, its data as in a zone file."""

    name: str
    type: str
    data: str
    ttl: int = field(compare=False, default=0)
    where: Where = field(compare=False, default=UNWRITTEN)

    def __str__(self) -> str:
        return f"{self.name} {self.ttl} IN {self.type} {self.data}"

    @property
    def text(self) -> str:
        """The text of a TXT record, with its strings joined."""
        return rdata.joined(self.data)


# ---- reading ---------------------------------------------------------------------------------------------------------


def _odd(where: Where, text: str) -> Finding:
    return error_at("malformed-record", where, text)


def read(lines: Iterable[tuple[Where, str]], zone: str, records: dict[Record, Record]) -> list[Finding]:
    """Add the records of *zone* in these lines to *records*, without duplicates; return a finding for each bad one."""
    findings = []
    for where, entry in rdata.entries(lines):
        try:
            words = rdata.words_of(entry)
            record = _record(where, entry, words, zone) if words else None
        except MalformedRecord as problem:
            first = entry.partition("\n")[0]
            findings.append(_odd(where, f'the record "{first.strip(SPACE)}": {problem}'))
        else:
            if record:
                records.setdefault(record, record)
    return findings


def _record(where: Where, entry: str, words: list[str], zone: str) -> Record:
    if entry[0] in " \t":
        raise MalformedRecord("it is indented, and would use the name of the previous line")
    if words[0][0] in "$@":
        raise MalformedRecord(f'"{words[0]}" depends on other lines; write the whole name and the TTL')
    if len(words) <= rdata.BEFORE_DATA:
        raise MalformedRecord("expected NAME. TTL IN TYPE DATA")
    (name, ttl, cls, kind), data = words[: rdata.BEFORE_DATA], words[rdata.BEFORE_DATA :]
    name = rdata.name_of(name)
    if not rdata.is_within(name, zone):
        raise MalformedRecord(f'"{name}" is not in the zone {zone}.')
    if not re.fullmatch(r"\d{1,10}", ttl, re.ASCII) or int(ttl) > MAX_TTL:
        raise MalformedRecord(f'expected a TTL in seconds, got "{ttl}"')
    if cls.upper() != "IN":
        raise MalformedRecord(f'expected the class IN, got "{cls}"')
    kind = rdata.type_of(kind)
    return Record(name, kind, rdata.data_of(name, kind, entry, data), int(ttl), where)


# ---- records taken together ------------------------------------------------------------------------------------------


def _clash(record: Record, text: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(rule="clashing-records", where=record.where, text=text, subject=text, severity=severity)


def judge(records: Iterable[Record]) -> Iterator[Finding]:
    """Yield the faults of the records of a zone, taken together."""
    by_name: dict[str, list[Record]] = {}
    for record in dict.fromkeys(records):
        by_name.setdefault(record.name, []).append(record)
    for name, own in by_name.items():
        yield from _beside(name, own)
        yield from _repeated_kinds(name, own)
        for record in own:
            if record.type == "MX":
                yield from _exchanger(record, by_name.get(split_words(record.data)[1]))
            elif is_spf(record):
                yield from _spf(record)


def _beside(name: str, own: list[Record]) -> Iterator[Finding]:
    aliases = [record for record in own if record.type == "CNAME"]
    if aliases and len(own) > 1:
        yield _clash(aliases[0], f"{name} has a CNAME, and no other record may exist beside it")
    times: dict[str, Record] = {}
    for record in own:
        first = times.setdefault(record.type, record)
        if first.ttl != record.ttl:
            yield _clash(record, f"{name} has {record.type} records of different TTLs, {first.ttl} and {record.ttl}")


def tag(record: Record) -> str:
    """Return the start of a TXT record that names its purpose (``v=spf1``); empty for any other record."""
    match = re.match(r"v=[a-z0-9]+", record.text, re.IGNORECASE | re.ASCII)
    return match[0].lower() if match and record.type == "TXT" else ""


def is_spf(record: Record) -> bool:
    """Return whether the record is an SPF policy."""
    return bool(re.match(r"v=spf1(?: |\Z)", record.text, re.IGNORECASE | re.ASCII)) if record.type == "TXT" else False


def _repeated_kinds(name: str, own: list[Record]) -> Iterator[Finding]:
    first: dict[str, Record] = {}
    for record in own:
        kind = tag(record)
        if kind and first.setdefault(kind, record) is not record:
            yield _clash(record, f"{name} has more than one {kind} record, so receivers would use none")


def _exchanger(mx: Record, own: list[Record] | None) -> Iterator[Finding]:
    target = split_words(mx.data)[1]
    if own and any(record.type == "CNAME" for record in own):
        yield _clash(mx, f"the MX of {mx.name} points to {target}, which is a CNAME (RFC 2181, 10.3)")
    elif own and not any(record.type in ("A", "AAAA") for record in own):
        yield _clash(mx, f"the MX of {mx.name} points to {target}, which has no address")


def mail_hosts(records: Iterable[Record], domain: str) -> list[str]:
    """Return the hosts that take a domain's mail, the preferred ones first."""
    own = [split_words(record.data) for record in records if record.type == "MX" and record.name == f"{domain}."]
    return list(dict.fromkeys(host.rstrip(".") for _, host in sorted(own, key=lambda words: int(words[0]))))


# ---- SPF -------------------------------------------------------------------------------------------------------------


def _wrong(record: Record, text: str, severity: Severity = Severity.ERROR) -> Finding:
    what = f"SPF of {record.name}: {text}"
    return Finding(rule="malformed-spf", where=record.where, text=what, subject=what, severity=severity)


def _spf(record: Record) -> Iterator[Finding]:
    terms = split_words(record.text)[1:]
    for place, term in enumerate(terms):
        yield from _term(record, term)
        if re.fullmatch(r"[-+~?]?all", term, re.IGNORECASE | re.ASCII) and place < len(terms) - 1:
            yield _wrong(record, f'receivers ignore the terms after "{term}": "{" ".join(terms[place + 1 :])}"')
    if count := too_many(record):
        yield _wrong(
            record, f"it needs {count} lookups, more than the {MAX_LOOKUPS} that receivers make (RFC 7208, 4.6.4)"
        )


def _term(record: Record, term: str) -> Iterator[Finding]:
    if re.match(r"[a-z][a-z0-9_.-]*=", term, re.IGNORECASE | re.ASCII):
        return
    match = _MECHANISM.match(term)
    name = match["name"].lower() if match else ""
    if not match or name not in _MECHANISMS:
        yield _wrong(record, f'unknown mechanism "{term}"{did_you_mean(name, _MECHANISMS)}')
    elif name == "all" and term[0] not in "-~?":
        yield _wrong(record, f'"{term}" lets any host send in this domain\'s name; did you mean "~all"?')
    elif name in ("include", "exists") and not re.match(r":.", match["value"] or ""):
        yield _wrong(record, f'"{term}" names no domain')
    elif name in ("ip4", "ip6"):
        try:
            if ip_network((match["value"] or "")[1:], strict=False).version != int(name[2]):
                raise ValueError  # noqa: TRY301 - reported once, below
        except ValueError:
            yield _wrong(record, f'"{term}" names no {"IPv4" if name == "ip4" else "IPv6"} network')


def lookups(text: str, fetch: Callable[[str], str] | None = None, seen: frozenset[str] = frozenset()) -> int:
    """Return how many lookups a policy needs, including those of other policies if *fetch* returns their texts."""
    count = 0
    for term in split_words(text)[1:]:
        match = re.match(r"[-+~?]?([a-z0-9]+)(?:[:=/]|\Z)", term, re.IGNORECASE | re.ASCII)
        name = match[1].lower() if match else ""
        if name not in _COSTLY:
            continue
        count += 1
        other = term.partition("=" if name == "redirect" else ":")[2].lower()
        if fetch and name in ("include", "redirect") and other not in seen and count <= MAX_LOOKUPS:
            count += lookups(fetch(other), fetch, seen | {other})
    return count


def too_many(record: Record, fetch: Callable[[str], str] | None = None) -> int:
    """Return how many lookups a policy needs if these are more than receivers make, else 0."""
    count = lookups(record.text, fetch)
    return count if count > MAX_LOOKUPS else 0


EXPLAINED = {
    "malformed-record": (
        "A line that a DNS template made is not a valid record. A name server would refuse it, or misread it. Write "
        "NAME. TTL IN TYPE DATA without indentation, each host with its final period, and text in quotes."
    ),
    "clashing-records": (
        "Two records conflict: another record beside a CNAME, an MX that points to a CNAME, two policies of one kind "
        "at one name, or different TTLs in one set. Receivers would use none of them, or an arbitrary one. Keep one "
        "of the two."
    ),
    "malformed-spf": (
        "An SPF policy contains something that receivers can't use or that allows forgery: an unknown mechanism, more "
        "than ten lookups, terms after all, or permission for any host to send. Mail in the domain's name would fail "
        "the check, or forged mail would pass it. Correct the policy."
    ),
}
