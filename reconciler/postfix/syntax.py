"""Readers and writers of main.cf and master.cf, and the logical lines that tables share with them.

Readers never raise on bad text: they return the items that they can parse, and a Finding with ``file:line:column`` for
each other line. Writers take values that the readers or the schema accepted, and quote or fold them. They raise
ValueError for a value that cannot be written; the schema refuses such values before (unwritable() gives the reason).

Rules: postconf(5) and master(5) "file format".
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_left
from dataclasses import dataclass
from itertools import takewhile
from operator import eq
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Finding, Parameter, Service, Where, did_you_mean, error_at
from reconciler.model.ascii_text import SPACE, split_words
from reconciler.model.past import Past
from reconciler.postfix.master_changes import last_start
from reconciler.postfix.plain_options import plain_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SERVICE_TYPES = ("inet", "unix", "unix-dgram", "fifo", "pass")
# These daemons exit with "unexpected command-line argument"; pipe(8), spawn(8) and other programs may take words.
WITHOUT_ARGUMENTS = frozenset({
    "anvil", "bounce", "cleanup", "discard", "error", "flush", "lmtp", "local", "pickup", "postlogd", "postscreen",
    "proxymap", "qmgr", "scache", "showq", "smtp", "smtpd", "tlsmgr", "tlsproxy", "trivial-rewrite", "verify",
    "virtual",
})  # fmt: skip
_BLOCK = 1 << 16
_OPTION = re.compile(r"-")
_FLAGS = re.compile(r"-|flags=[DORX]*\Z")  # smtp(8)
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")  # transport names are part of some: mydomain.com-out_...
# A folded line would be a setting if it looks like one in main.cf, or begins with the name of a parameter.
_SETTING = re.compile(
    r"\s*(?:[A-Za-z0-9_][A-Za-z0-9_.-]*(?:\s+=|=\s+\S)"
    r"|(?:[a-z][a-z0-9]*(?:_[a-z0-9]+)+|myhostname|mydomain|myorigin|mydestination|mynetworks|relayhost)=)",
    re.ASCII,
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_FIELDS = ("private", "unprivileged", "chroot")


class Logical(NamedTuple):
    """A logical line: its physical lines as (number, text), without comments and blank lines."""

    parts: tuple[tuple[int, str], ...]

    @property
    def line(self) -> int:
        """Return the number of its first physical line."""
        return self.parts[0][0]

    @property
    def text(self) -> str:
        """Return the line as Postfix reads it."""
        return " ".join(text.strip(SPACE) for _, text in self.parts)


def is_comment(line: str) -> bool:
    """Return whether Postfix reads a line of main.cf, master.cf or a table as a comment."""
    return line.lstrip(SPACE).startswith("#")


def logical_lines(text: str, first: int = 1) -> Iterator[Logical]:
    """Join continuation lines (they begin with a blank), and drop comments and blank lines, as readlline(3) does.

    *first* is the number of the first line.
    """
    parts: list[tuple[int, str]] = []
    for number, line in enumerate(_lines(text), first):
        stripped = line.strip(SPACE)
        if not stripped or stripped.startswith("#"):
            continue
        if parts and line[0] not in " \t":
            yield Logical(tuple(parts))
            parts = []
        parts.append((number, line))
    if parts:
        yield Logical(tuple(parts))


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a text, which may be a large table: few of them are held at a time."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _BLOCK)
        end = len(text) if end < 0 else end
        yield from text[start:end].split("\n")
        start = end + 1


# ---- main.cf ---------------------------------------------------------------------------------------------------------


def read_main(text: str, file: str) -> tuple[dict[str, Parameter], list[Finding]]:
    """Read main.cf; if a name is set twice, the last setting wins, as in Postfix."""
    parameters: dict[str, Parameter] = {}
    findings = []
    for logical in logical_lines(text):
        name, equals, value = logical.text.partition("=")
        where = Where(file, logical.line)
        if not equals or not NAME.match(name.strip(SPACE)):
            findings.append(error_at("malformed-parameter", where, f'expected "name = value", got "{logical.text}"'))
        else:
            parameters[name.strip(SPACE)] = Parameter(name.strip(SPACE), value.strip(SPACE), where)
    return parameters, findings


def unwritable(value: str) -> str | None:
    """Return why *value* cannot be written to main.cf, or None if it can. Line breaks are allowed: they are folded."""
    if _CONTROL.search(value):
        return "contains a control character"
    first, *others = value.split("\n")
    depth = first.count("{") - first.count("}")
    for line in others:
        if depth <= 0 and _SETTING.match(line):  # inside braces "name = value" is part of the value
            return f'contains a line that would start another setting: "{line.strip(SPACE)}"'
        if is_comment(line):
            return f'contains a line that Postfix would read as a comment: "{line.strip(SPACE)}"'
        depth += line.count("{") - line.count("}")
    return None


def folded(value: str) -> str:
    """Return a value in the form for main.cf: each line after the first becomes a continuation line.

    A line that is indented already keeps its blanks: Postfix takes them into the value.
    """
    if reason := unwritable(value):
        raise ValueError(reason)
    lines = [line for line in value.strip(SPACE).split("\n") if line.strip(SPACE)]
    return "\n".join(line if line[0] in " \t" or not number else f"    {line}" for number, line in enumerate(lines))


def one_line(value: str) -> str:
    """Return the value as Postfix reads it, for comparison and display."""
    return " ".join(split_words(value))


# ---- master.cf -------------------------------------------------------------------------------------------------------


_LARGE, _HASHED = 16384, 4096
_WORD, _FLAG = r"[^\s{}]+", "[-yn]"
_PLAIN_SERVICE = re.compile(
    rf"(?P<name>{_WORD})\s+(?P<type>{'|'.join(SERVICE_TYPES)})\s+(?P<private>{_FLAG})\s+(?P<unprivileged>{_FLAG})"
    rf"\s+(?P<chroot>{_FLAG})\s+(?P<wakeup>-|\d+\??)\s+(?P<maxproc>-|\d+)\s+(?P<command>{_WORD})\s*",
    re.ASCII,
)
_PLAIN_VALUE = re.compile(r"[^\s{]\S*", re.ASCII)
_LIVE = "master.cf"
"""Of its options, few are asked for; those of a file of the desired state are judged, each by several rules."""


class _Master(NamedTuple):
    """What a text of master.cf says; it is known by the hashes of its *blocks*, because a large one takes much memory.

    As in past.py, blocks are the same if their hashes of 64 bits are.
    """

    blocks: tuple[int, ...]
    services: tuple[Service, ...]
    findings: tuple[Finding, ...]


_NOTHING = _Master((), (), ())
_last: Past[_Master] = Past(2)
_before: Past[_Master] = Past(2, in_a_pass=True)
"""By the name of the file: a pass reads what is live and what is to be, of which one is enough between two passes."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    where: Where
    braced: bool = False


def read_master(text: str, file: str) -> tuple[list[Service], list[Finding]]:
    """Read master.cf entries in their order; duplicates are kept, so that a caller can refuse them.

    A pass reads the same few texts several times; what a large one says is kept, and of another text only what follows
    the first difference is read.
    """
    if len(text) < _LARGE:
        return _entries(text, file)
    last, before = _last.used(file) or _NOTHING, _before.used(file) or _NOTHING
    found, blocks = last, _blocks(text)
    if last.blocks != blocks:
        found = before if before.blocks == blocks else _read_after(last, text, blocks, file)
        _before.keep(file, last)
        _last.keep(file, found)
    return list(found.services), list(found.findings)


def _blocks(text: str) -> tuple[int, ...]:
    return tuple(hash(text[place : place + _HASHED]) for place in range(0, len(text), _HASHED))


def _read_after(before: _Master, text: str, blocks: tuple[int, ...], file: str) -> _Master:
    """Return what a text says, with the services of an earlier text that both begin with."""
    alike = sum(1 for _ in takewhile(bool, map(eq, before.blocks, blocks)))
    place = last_start(text, alike * _HASHED)
    line = text.count("\n", 0, place) + 1
    same = bisect_left(before.services, line, key=lambda one: one.where.line)
    services, findings = _entries(text[place:], file, line)
    told = (one for one in before.findings if one.where.line < line)
    return _Master(blocks, (*before.services[:same], *services), (*told, *findings))


def _entries(text: str, file: str, first: int = 1) -> tuple[list[Service], list[Finding]]:
    services: list[Service] = []
    findings: list[Finding] = []
    for logical in logical_lines(text, first):
        if logical.parts[0][1][0] in " \t":
            what = f'a service must start in the first column, got "{logical.text}"'
            findings.append(error_at("malformed-service", Where(file, logical.line), what))
            continue
        if plain := _plain(logical, file):
            services.append(plain)
            continue
        service, problems = _service(list(_tokens(logical, file)))
        findings += problems
        if service and not problems:
            services.append(service)
    return services, findings


def _plain(logical: Logical, file: str) -> Service | None:
    """Return a service in the form in which thousands of them are written, with an option on each line; else None."""
    (number, line), *options = logical.parts
    service = _PLAIN_SERVICE.fullmatch(line)
    if not service or (service["type"], service["private"]) == ("inet", "y"):
        return None
    fields = service.groupdict()
    fields |= {name: sys.intern(fields[name]) for name in ("name", "type", "command")}
    overrides = plain_options(options, file, fields["name"], later=file == _LIVE)
    if overrides is None:
        return None
    return Service(**fields, arguments=(), overrides=overrides, where=Where(file, number))


def _tokens(logical: Logical, file: str) -> Iterator[_Token]:
    """Yield the words; a ``{ ... }`` group is one word and may span lines (master(5))."""
    pieces: list[str] = []
    start, depth = Where(file, logical.line), 0
    for number, line in logical.parts:
        for match in re.finditer(r"\S+", line, re.ASCII):
            word = match.group()
            if depth == 0:
                start = Where(file, number, match.start() + 1)
                if not word.startswith("{"):
                    yield _Token(word, start)
                    continue
            depth += word.count("{") - word.count("}")
            pieces.append(word)
            if depth <= 0:
                yield _Token(" ".join(pieces)[1:-1].strip(SPACE), start, braced=True)
                pieces, depth = [], 0
    if pieces:
        yield _Token(" ".join(pieces), start)


def _service(tokens: list[_Token]) -> tuple[Service | None, list[Finding]]:
    where = tokens[0].where
    if len(tokens) < 8:  # noqa: PLR2004 - master(5) has eight fields
        if tokens[0].text.startswith("-"):
            what = (
                f'"{tokens[0].text}" would be a service: indent this line, so that it is an option of the service above'
            )
            return None, [error_at("malformed-service", where, what)]
        if "=" in tokens[0].text or (len(tokens) > 1 and tokens[1].text.startswith("=")):
            what = f'"{tokens[0].text}" is no service: settings of main.cf belong under parameters: in mail.yaml'
            return None, [error_at("malformed-service", where, what)]
        fields = "name type private unpriv chroot wakeup maxproc command"
        what = f'service "{tokens[0].text}" has {len(tokens)} of the 8 fields "{fields}"'
        return None, [error_at("malformed-service", where, what)]
    name, kind, *flags, wakeup, maxproc, command = tokens[:8]
    findings = list(_bad_fields(name, kind, flags, wakeup, maxproc))
    overrides, arguments, problems = _options(name.text, tokens[8:])
    service = Service(
        name=name.text, type=kind.text, private=flags[0].text, unprivileged=flags[1].text, chroot=flags[2].text,
        wakeup=wakeup.text, maxproc=maxproc.text, command=command.text, arguments=tuple(arguments),
        overrides=tuple(overrides), where=where,
    )  # fmt: skip
    if command.text in WITHOUT_ARGUMENTS and not problems:  # words after a broken option have the same cause
        known = _FLAGS if command.text in {"smtp", "lmtp"} else _OPTION
        # The words after the first stray one follow from it.
        problems += [_stray(name.text, word, where) for word in arguments if not known.match(word)][:1]
    return service, findings + problems


def _stray(service: str, word: str, where: Where) -> Finding:
    why = 'an option is -o name=value without blanks around "="'
    if word == "\\":
        why = 'remove it: a line that begins with blanks continues the one above, without a "\\"'
    elif word.startswith("#"):
        why = "a comment needs a line of its own, before the service"
    what = f'service "{service}": unexpected word "{word}" ({why})'
    return error_at("malformed-service", where, what, f"{service} {word}")


def _bad_fields(name: _Token, kind: _Token, flags: list[_Token], wakeup: _Token, maxproc: _Token) -> Iterator[Finding]:
    def bad(token: _Token, what: str) -> Finding:
        return error_at(
            "malformed-service", token.where, f'service "{name.text}": {what}, got "{token.text}"', name.text
        )

    if kind.text not in SERVICE_TYPES:
        yield bad(kind, f"the type must be one of {', '.join(SERVICE_TYPES)}{did_you_mean(kind.text, SERVICE_TYPES)}")
    for token, field in zip(flags, _FIELDS, strict=True):
        if token.text not in {"-", "y", "n"}:
            yield bad(token, f"{field} must be y, n or -")
    if kind.text == "inet" and flags[0].text == "y":
        yield bad(flags[0], "an inet service can't be private (the master would exit at the next reload)")
    if not re.fullmatch(r"-|\d+\??", wakeup.text, re.ASCII):
        yield bad(wakeup, "wakeup must be a number of seconds, with ? to skip an unused service, or -")
    if not re.fullmatch(r"-|\d+", maxproc.text, re.ASCII):
        yield bad(maxproc, "maxproc must be a number or -")


def _options(service: str, tokens: list[_Token]) -> tuple[list[Parameter], list[str], list[Finding]]:
    overrides: list[Parameter] = []
    arguments: list[str] = []
    findings: list[Finding] = []
    rest = iter(tokens)
    for token in rest:
        if any(not word.startswith("-") for word in arguments):  # options end at the first word of the command
            arguments.append(f"{{{token.text}}}" if token.braced else token.text)
        elif token.text == "-o" and not token.braced:
            setting = next(rest, None)
            overrides += _override(service, setting or token, findings)
        elif token.text.startswith("-o") and not token.braced:
            overrides += _override(service, _Token(token.text[2:], token.where), findings)
        elif token.text == "=" and overrides:
            findings.append(_spaces(service, overrides[-1].name, token.where))
        else:
            arguments.append(f"{{{token.text}}}" if token.braced else token.text)
    return overrides, arguments, findings


def _override(service: str, token: _Token, findings: list[Finding]) -> list[Parameter]:
    name, equals, value = token.text.partition("=")
    if not equals and NAME.match(name):
        findings.append(_spaces(service, name, token.where))
    elif not equals or not NAME.match(name.strip(SPACE)) or (not token.braced and name != name.strip(SPACE)):
        colon = re.fullmatch(r"([A-Za-z0-9_.]+):=?(.*)", token.text)
        hint = f"; write -o {colon[1]}={colon[2] or 'VALUE'}" if colon else ""
        what = f'service "{service}": expected -o name=value, got "-o {token.text}"{hint}'
        findings.append(error_at("malformed-service", token.where, what, service))
    else:
        if not _needs_braces(value.strip(SPACE)) or is_balanced(value):
            return [Parameter(name.strip(SPACE), value.strip(SPACE), token.where, section=service)]
        what = f'service "{service}": the braces in the value of {name.strip(SPACE)} do not match'
        findings.append(error_at("malformed-service", token.where, what, f"{service} {name.strip(SPACE)}"))
    return []


def _spaces(service: str, name: str, where: Where) -> Finding:
    what = (
        f'service "{service}": "-o {name}" needs "=value" without blanks around it, or braces: -o {{ {name} = value }}'
    )
    return error_at("malformed-service", where, what, f"{service} {name}")


def duplicates(services: Iterable[Service]) -> Iterator[Finding]:
    """Yield a finding for each service with the key of an earlier one; Postfix would use the last one silently."""
    first: dict[str, Service] = {}
    for service in services:
        if other := first.get(service.key):
            what = (
                f'duplicate service "{service.name}" of type {service.type}: {other.where} and {service.where} define'
                " it, and Postfix would use only the last one"
            )
            yield error_at("duplicate-service", service.where, what, service.key, other.where)
        first.setdefault(service.key, service)


def is_balanced(value: str) -> bool:
    """Return whether each brace in a value has its partner, so that braces can enclose the value."""
    level = 0
    for brace in re.findall("[{}]", value):
        level += 1 if brace == "{" else -1
        if level < 0:
            return False
    return level == 0


def _needs_braces(value: str) -> bool:
    return value.startswith("{") or bool(re.search(r"\s", value, re.ASCII))


def write_override(override: Parameter) -> str:
    """Return ``-o name=value``, in braces if the value contains blanks (master(5))."""
    if _PLAIN_VALUE.fullmatch(override.value):
        return f"-o {override.name}={override.value}"
    value = one_line(override.value)
    if not _needs_braces(value):
        return f"-o {override.name}={value}"
    if not is_balanced(value):
        raise ValueError(f"unbalanced braces in {override.name}")
    return f"-o {{ {override.name} = {value} }}"


def _shown(override: Parameter) -> str:
    """Return the option for display, even if a person wrote it in a form that write_override() refuses."""
    try:
        return write_override(override)
    except ValueError:
        return f"-o {override.name}={one_line(override.value)}"


def show_service(service: Service, overrides: Iterable[Parameter] | None = None, maxproc: str = "") -> str:
    """Return the service in one line, as ``postconf -M`` prints it, with *overrides* and *maxproc* for its own."""
    options = map(_shown, service.overrides if overrides is None else overrides)
    fields = (
        service.name, service.type, service.private, service.unprivileged, service.chroot, service.wakeup,
        maxproc or service.maxproc, service.command, *options, *service.arguments,
    )  # fmt: skip
    return " ".join(fields)


# ---- shared ----------------------------------------------------------------------------------------------------------


EXPLAINED = {
    "malformed-parameter": (
        'A line of main.cf does not have the form "name = value". Postfix\'s programs would exit at it. Write the '
        "name, an equals sign and the value on one line, and begin continuation lines with a blank."
    ),
    "malformed-service": (
        "A line of master.cf lacks a field or contains an unexpected word. The master would exit at its next "
        "reload, or the program of the service would exit at its start. A service has eight fields (master(5)); "
        "options follow as -o name=value without blanks around the equals sign, or as -o { name = value }."
    ),
    "duplicate-service": (
        "Two entries of master.cf have the same name and type. Postfix uses the last one silently, and the other "
        'one has no effect. Remove one, or change a stock service under "services:" in mail.yaml.'
    ),
}
