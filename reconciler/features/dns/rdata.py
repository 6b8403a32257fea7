"""Entries of zone files and the data of records, read by dnspython's parser; one normal form for data.

What a name server would refuse or misread is refused. The normal form is the canonical one of RFC 4034: the same for a
template and for the answer of a server. Raises MalformedRecord. dnspython is imported by the first record; its parser
opens no connection. Only the types of FORMS, and types that dnspython does not know, are parsed, because WKS would
read files of the host.

Known limit: texts and names are ASCII; write IDNs in their xn-- form and other octets as escapes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dns.name import Name
    from dns.rdata import Rdata
    from dns.tokenizer import Token

    from reconciler.model import Where

STRING = 255
BEFORE_DATA = 4
FORMS = {
    "A": "an IPv4 address",
    "AAAA": "an IPv6 address",
    "CAA": 'FLAGS TAG "VALUE"',
    "CNAME": "HOST.",
    "HTTPS": "PRIORITY HOST. KEY=VALUE ...",
    "MX": "PREFERENCE HOST.",
    "OPENPGPKEY": "a key in base64",
    "SMIMEA": "USAGE SELECTOR MATCHING HEX",
    "SRV": "PRIORITY WEIGHT PORT HOST.",
    "SSHFP": "ALGORITHM TYPE HEX",
    "SVCB": "PRIORITY HOST. KEY=VALUE ...",
    "TLSA": "USAGE SELECTOR MATCHING HEX",
    "TXT": 'text in quotes ("...", with \\" for a quote)',
}
GENERIC = r"\# LENGTH HEX"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_USABLE = dict.fromkeys(("SMIMEA", "TLSA"), re.compile(r"[0-3] [01] [0-2] "))
_ADDRESS = re.compile(r"[0-9][0-9.]*|[^:]*:.*", re.ASCII)
_HOST = re.compile(r"(?:\*\.)?(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+", re.ASCII)
_STRINGS = re.compile(r'"((?:[^"\\]|\\.)*)(?:"|\\?\Z)', re.ASCII | re.DOTALL)
_ESCAPE = re.compile(r"\\(?:(\d{3})|(.))", re.ASCII)


class MalformedRecord(ValueError):  # noqa: N818 - as in errors.py
    """A name server would refuse a record, or misread it; the text says why."""


# ---- lines -----------------------------------------------------------------------------------------------------------


def entries(lines: Iterable[tuple[Where, str]]) -> Iterator[tuple[Where, str]]:
    """Yield each entry of a zone file with the place of its first line; parentheses join lines."""
    entry, start, depth = list[str](), None, 0
    for where, line in lines:
        start = start or where
        entry.append(line)
        depth = _open_parentheses(line, depth) if depth or "(" in line else 0
        if not depth:
            yield start, "\n".join(entry)
            entry, start = [], None
    if start:
        yield start, "\n".join(entry)


def _open_parentheses(line: str, depth: int) -> int:
    """Return how many parentheses are open after a line; none after a malformed one."""
    import dns.exception  # noqa: PLC0415
    import dns.tokenizer  # noqa: PLC0415

    tokens = dns.tokenizer.Tokenizer(line)
    tokens.multiline = depth
    try:
        while not tokens.get().is_eol_or_eof():
            pass
    except dns.exception.DNSException:  # the end of the line within parentheses, too
        return 0 if tokens.quoting else tokens.multiline
    return 0


def words_of(entry: str) -> list[str]:
    """Return the words of an entry without comments and parentheses; quoted ones keep their quotes."""
    import dns.exception  # noqa: PLC0415
    import dns.tokenizer  # noqa: PLC0415

    if match := _CONTROL.search(entry):
        raise MalformedRecord(f"it contains the control character {match[0]!r}")
    try:
        tokens = dns.tokenizer.Tokenizer(entry).get_remaining()
    except dns.exception.DNSException:
        text = "quotes or parentheses are not balanced; a text in quotes ends on its line"
        raise MalformedRecord(text) from None
    words = [f'"{token.value}"' if token.is_quoted_string() else str(token.value) for token in tokens]
    if not all(map(str.isascii, words)):
        raise MalformedRecord("it contains characters that are not ASCII; write IDNs in their xn-- form")
    return words


# ---- names and types -------------------------------------------------------------------------------------------------


def name_of(text: str) -> str:
    """Return an absolute name in normal form: in lower case, with the final period."""
    return str(_name(text).canonicalize())


def is_within(name: str, zone: str) -> bool:
    """Return whether a name in normal form is in the zone; an escaped period separates nothing."""
    return _name(name).is_subdomain(_name(f"{zone}."))


def _name(text: str) -> Name:
    import dns.exception  # noqa: PLC0415
    import dns.name  # noqa: PLC0415

    try:
        name = dns.name.from_text(text, None)
    except dns.exception.DNSException:
        raise MalformedRecord(f'"{text}" is not a valid name') from None
    if text.startswith('"'):
        raise MalformedRecord(f"the name {text} can't be in quotes")
    if not name.is_absolute():
        raise MalformedRecord(f'"{text}" lacks the final period; did you mean "{text}."?')
    return name


def type_of(text: str) -> str:
    """Return a type in normal form: TYPE1 is A, and TYPE65280 is a type that only the numbers know (RFC 3597)."""
    import dns.exception  # noqa: PLC0415
    import dns.rdatatype  # noqa: PLC0415

    try:
        number = dns.rdatatype.from_text(text)
    except (dns.exception.DNSException, ValueError):
        number = dns.rdatatype.NONE
    kind = dns.rdatatype.to_text(number)
    if kind in FORMS or (kind.startswith("TYPE") and number and not dns.rdatatype.is_metatype(number)):
        return kind
    hint = did_you_mean(text, FORMS) or f"; the known types are {', '.join(FORMS)}"
    raise MalformedRecord(f'unknown type "{text}"{hint}')


# ---- data ------------------------------------------------------------------------------------------------------------


def data_of(name: str, kind: str, entry: str, words: Sequence[str]) -> str:
    """Return the data of an entry in normal form; its name and type are *name* and *kind*, *words* those of its data.

    dnspython reads the entry itself, because alpn="h2,h3" is two tokens without a blank.
    """
    import dns.exception  # noqa: PLC0415
    import dns.rdata  # noqa: PLC0415
    import dns.tokenizer  # noqa: PLC0415

    generic = words[0] == r"\#"
    if kind in ("MX", "SRV") and len(words) > 1 and _ADDRESS.fullmatch(words[-1]) and not generic:
        raise MalformedRecord(f"{kind} must point to a host name, not to an address")
    tokens = dns.tokenizer.Tokenizer(entry)
    for _ in range(BEFORE_DATA):
        tokens.get()
    if kind == "TXT" and not generic:
        return split(_octets(tokens.get_remaining()))
    try:
        rdata = dns.rdata.from_text("IN", kind, tokens)
    except dns.exception.DNSException as error:
        vague = str(error).startswith(("expect", str(dns.exception.SyntaxError.__doc__)))
        raise MalformedRecord(_expected(kind, " ".join(words)) + ("" if vague else f" ({error})")) from None
    _check_absolute(rdata)
    data = normal(rdata)
    if kind in _USABLE and not _USABLE[kind].match(data):
        raise MalformedRecord(_expected(kind, " ".join(words)))
    _check_hosts(name, kind, data)
    return data


def _expected(kind: str, text: str) -> str:
    other = "AAAA" if kind == "A" and ":" in text else "A" if kind == "AAAA" and "." in text else ""
    hint = f"; did you mean {other}?" if other else ""
    return f'expected {FORMS.get(kind, GENERIC)}, got "{text}"{hint}'


def _check_absolute(rdata: Rdata) -> None:
    import dns.name  # noqa: PLC0415

    written = rdata.to_text().split(" ")
    for word, absolute in zip(written, rdata.to_text(origin=dns.name.root, relativize=False).split(" "), strict=True):
        if word == "@":
            raise MalformedRecord('"@" depends on other lines; write the whole name')
        if word != absolute:
            raise MalformedRecord(f'"{word}" lacks the final period; did you mean "{word}."?')


def _check_hosts(name: str, kind: str, data: str) -> None:
    """Refuse the names that servers refuse: not host names where hosts must be (RFC 1123, 2.1)."""
    target = data.rpartition(" ")[2]
    tested = kind == "A" and re.search(r"(?:\A|\.)_(?:spf|spf_rate|spf_verify)\.", name)  # RFC 7208, 5.7
    if kind in ("A", "AAAA", "MX") and not tested and not _HOST.fullmatch(name):
        raise MalformedRecord(f'"{name}" is not a host name, so servers refuse {kind} records for it')
    if kind in ("MX", "SRV") and target != "." and not _HOST.fullmatch(target):
        raise MalformedRecord(f'{kind} must point to a host name, and "{target}" is none')


def normal(rdata: Rdata) -> str:
    """Return the data in normal form."""
    import dns.rdata  # noqa: PLC0415
    import dns.rdatatype  # noqa: PLC0415

    if rdata.rdtype == dns.rdatatype.TXT:
        return split(joined(rdata.to_text()))
    wire = rdata.to_digestable()
    return dns.rdata.from_wire(rdata.rdclass, rdata.rdtype, wire, 0, len(wire)).to_text()


# ---- texts -----------------------------------------------------------------------------------------------------------


def _octets(tokens: list[Token]) -> str:
    """Return the strings of a TXT record as one text, a character for each octet."""
    import dns.exception  # noqa: PLC0415

    if not all(token.is_quoted_string() for token in tokens):
        raise MalformedRecord(f"expected {FORMS['TXT']}")
    try:
        return b"".join(token.unescape_to_bytes().value for token in tokens).decode("latin-1")
    except dns.exception.DNSException:
        raise MalformedRecord("an escape is greater than 255, or has less than three digits") from None


def joined(data: str) -> str:
    """Return the strings of TXT data in quotes as one text, a character for each octet."""
    return "".join(
        _ESCAPE.sub(lambda match: chr(int(match[1])) if match[1] else match[2], text) for text in _STRINGS.findall(data)
    )


def split(text: str) -> str:
    """Return a text as the strings of a TXT record, each of at most 255 octets."""
    parts = [text[at : at + STRING] for at in range(0, len(text), STRING)] or [""]
    return " ".join('"' + "".join(map(_escaped, part)) + '"' for part in parts)


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if " " <= character <= "~" else f"\\{ord(character):03d}"
