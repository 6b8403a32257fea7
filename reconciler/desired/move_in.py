"""Write what a host's /etc/postfix says as the first commit of a desired state: the same to the letter, and no more.

main.cf becomes ``parameters`` in its order, with its comments; master.cf becomes master.d/host.cf, byte for byte; the
tables that the caller found to be equal to their maps become tables/. ``base: none`` adds nothing to them.

Promises: no password is in a file, a note or a finding. What the repository can't say is a finding, and nothing is left
out without being counted. Pure; raises nothing.

Known limit: a password is known by the name of its setting, or by a comment's words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.desired.yaml_editor import scalars
from reconciler.features import parameters, stock
from reconciler.model import Finding, Where
from reconciler.model.ascii_text import split_words
from reconciler.postfix import commented
from reconciler.postfix.commented import may_hold_password
from reconciler.postfix.syntax import NAME, is_comment, logical_lines, unwritable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.postfix.commented import Block, Setting

MAIL, MASTER = "mail.yaml", "master.d/host.cf"
_MAIN_CF, _MASTER_CF = "main.cf", "master.cf"
_HEAD = """\
# What {source} said when reconciler was set up here, and nothing else. `base: none` adds no default to it.
{key}: {none}

"""
_LOGIN = re.compile(r"(?:_bind_pw|_password|_passwd)\Z", re.ASCII)
_INLINE = re.compile(r"(?:\A|[\s,:{])(?:static|inline|pcre|regexp|cidr|texthash):\s*[^\s/$]", re.ASCII)
_ALLOW = re.compile(r"#[ \t]*allow\b", re.ASCII)
_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationFiles:
    """The files of a configuration directory: *tables* by their path in the repository.

    *shipped* are the comment lines of the package's own main.cf; *source* is the directory's name for people.
    """

    source: str
    main: bytes
    master: bytes
    tables: Mapping[str, bytes] = field(default_factory=dict)
    shipped: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Written:
    """The *files* of the commit, what was changed or left out in them as *notes*, and what can't be in it."""

    files: Mapping[str, bytes]
    notes: tuple[str, ...]
    problems: tuple[Finding, ...]


def write(found: ConfigurationFiles) -> Written:
    """Return the first commit."""
    read, notes = commented.read(found.main), _Notes()
    problems = [*_main_problems(read), *_master_problems(found.master)]
    lines = [_HEAD.format(source=found.source, key=stock.SECTION, none=stock.NONE)]
    if read.settings:
        lines.append(f"{parameters.SECTION}:\n")
    lines += [_entry(setting, notes, found.shipped, problems) for setting in _last_of_each(read.settings, notes)]
    if end := notes.kept(read.end, found.shipped):
        lines.append("\n" + _comments(end, ""))
    notes.transcoded += read.transcoded
    master = _master(found.master, notes)
    files = {MAIL: "".join(lines).encode(), MASTER: master, **found.tables}
    return Written(files, tuple(notes.told()), tuple(problems))


@dataclass(slots=True)
class _Notes:
    """What was left out or changed, counted."""

    shipped: int = 0
    hidden: int = 0
    transcoded: int = 0
    repeated: list[str] = field(default_factory=list)
    services: list[str] = field(default_factory=list)

    def kept(self, blocks: list[Block], shipped: frozenset[str]) -> list[Block]:
        """Return the comments that go into the commit, and count the others."""
        blocks, left_out = commented.without_shipped(blocks, shipped)
        self.shipped += left_out
        blocks, left_out = commented.without_passwords(blocks)
        self.hidden += left_out
        return blocks

    def told(self) -> Iterator[str]:
        """Yield a sentence for each kind."""
        if self.shipped:
            yield f"left out: {_lines(self.shipped)} of comments that are in Postfix's own main.cf"
        if self.hidden:
            yield f"left out: {_lines(self.hidden)} of comments that may hold a password"
        if self.transcoded:
            yield f"read as Latin-1, because not UTF-8: {_lines(self.transcoded)} of main.cf"
        for name in self.repeated:
            yield f"main.cf sets {name} more than once: the last one counts, the others are comments"
        for key in self.services:
            yield f"master.cf defines {key} more than once: the last one counts, the others are comments"


def _lines(count: int) -> str:
    return f"{count} line{'s' * (count != 1)}"


# ---- main.cf ---------------------------------------------------------------------------------------------------------


def _last_of_each(settings: list[Setting], notes: _Notes) -> Iterator[Setting]:
    """Yield the setting that counts for each name; those before it become comments of it."""
    last = {setting.name: setting for setting in settings}
    for setting in settings:
        final = last[setting.name]
        if setting is final:
            continue
        notes.repeated += [setting.name] * (setting.name not in notes.repeated)
        value = " ".join(split_words(setting.value))
        told = f"# (line {setting.line} had another value: {value[:_SHOWN]})"
        final.comments[:0] = [*setting.comments, (told if not _is_login(setting) else "# (set before)",)]
    yield from (setting for setting in settings if setting is last[setting.name])


def _entry(setting: Setting, notes: _Notes, shipped: frozenset[str], problems: list[Finding]) -> str:
    """Return the lines of mail.yaml for a setting; one that can't be there is a problem instead."""
    comments = notes.kept(setting.comments, shipped)
    above = "\n" + _comments(comments, "  ") if comments else ""
    raw = None if _is_login(setting) or not NAME.match(setting.name) else _raw(setting.value)
    if raw is None:
        if not _is_login(setting):
            problems.append(_not_expressed(setting))
        return above
    return f"{above}  {setting.name}: {raw}\n"


def _comments(blocks: Iterable[Block], indent: str) -> str:
    return f"{indent}#\n".join("".join(f"{indent}{_inert(line)}\n" for line in block) for block in blocks)


def _inert(line: str) -> str:
    """Return a comment that allows nothing, whatever its words are."""
    return f"# :{line[1:]}" if _ALLOW.match(line) else line


def _raw(value: str) -> str | None:
    """Return the value as YAML: on one line, or as a block whose lines keep their blanks; None if there is no way."""
    if not value:
        return '""'
    if "\n" in value and not unwritable(value):
        block = "|-\n" + "\n".join(f"    {line}" for line in value.split("\n"))
        if not _is_strange(value):
            return block
    one = value.replace("\n", "")
    return None if unwritable(one) else next(iter(scalars(one)), None)


def _is_strange(value: str) -> bool:
    """Return whether a block of YAML would not give the value back."""
    return bool(re.search("[\x7f-\x9f\u2028\u2029\ufeff]", value))


def _is_login(setting: Setting) -> bool:
    if setting.name.endswith("_password_maps"):
        return bool(_INLINE.search(setting.value))
    return bool(_LOGIN.search(setting.name) and setting.value and setting.value[0] not in "$/")


def _main_problems(read: commented.Commented) -> Iterator[Finding]:
    for line in read.unread:
        text = "this line is no setting, so Postfix can't read main.cf"
        yield Finding(rule="malformed-parameter", where=Where(_MAIN_CF, line), text=text, subject=f"line {line}")
    for setting in read.settings:
        if _is_login(setting):
            yield _login(Where(_MAIN_CF, setting.line), setting.name)


def _not_expressed(setting: Setting) -> Finding:
    text = f"{setting.name}: mail.yaml can't hold this value; it has control characters, or the name is none of Postfix"
    return Finding(rule="not-importable", where=Where(_MAIN_CF, setting.line), text=text, subject=setting.name)


def _login(where: Where, name: str) -> Finding:
    text = (
        f"{name} holds a password, which would stay in the history of the repository: move it into a file of mode 0640"
        " for root and postfix that main.cf names, such as sasl_passwd or ldap-users.cf, then run import again"
    )
    return Finding(rule="password-in-main-cf", where=where, text=text, subject=name)


# ---- master.cf -------------------------------------------------------------------------------------------------------


def _master(content: bytes, notes: _Notes) -> bytes:
    """Return master.cf byte for byte, with earlier entries of one name as comments, and without passwords."""
    text = content.decode("utf-8", "surrogateescape")
    lines, last = text.split("\n"), dict[str, int]()
    entries = [(_key(logical.text), logical) for logical in logical_lines(text)]
    last = {key: logical.line for key, logical in entries}
    for key, logical in entries:
        if last[key] != logical.line:
            notes.services += [key] * (key not in notes.services)
            for number, _ in logical.parts:
                lines[number - 1] = f"# {lines[number - 1]}"
    for number, line in enumerate(lines):
        if is_comment(line) and may_hold_password(line):
            notes.hidden += 1
            lines[number] = "# (a comment was here that may hold a password)"
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _key(text: str) -> str:
    return "/".join(split_words(text)[:2])


def _master_problems(content: bytes) -> Iterator[Finding]:
    for logical in logical_lines(content.decode("utf-8", "surrogateescape")):
        for number, line in logical.parts:
            if may_hold_password(line):
                yield _login(Where(_MASTER_CF, number), f"service {_key(logical.text)}")


EXPLAINED = {
    "password-in-main-cf": (
        "main.cf or master.cf holds a password. `reconciler import` puts no password into a commit, where it would "
        "stay in the history. Move it into a file that only root and postfix can read, and have main.cf name that file;"
        " most tables of databases and smtp_sasl_password_maps take one. Then run `reconciler import` again."
    ),
    "not-importable": (
        "A setting of main.cf can't be written in mail.yaml, usually because of a control character in its value. "
        "Postfix's own documentation knows no use for it. Correct the line, and run `reconciler import` again."
    ),
}
