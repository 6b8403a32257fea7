"""Values that may be passwords, and texts without them: by the name that a value is given, or by the form of a URI.

Promises: a file, a ``$name`` or an empty text in the place of a password stays, since it is none. Pure; raises nothing.

Known limits: a password without such a name is not known. What is no password but has such a name is hidden as well.
"""

from __future__ import annotations

import re

HIDDEN = "(secret)"
_NAMED = re.compile(
    r"(?<!by)(?<!com)pass(?:w(?:or)?d|phrase)?s?(?![a-z])|secrets?(?![a-z])|tokens?(?![a-z])|credentials?(?![a-z])"
    r"|(?:\A|[_.-])(?:bind_?)?pwd?(?:\Z|[_.-])|(?:api|private)[_-]?key(?![a-z])",
    re.IGNORECASE | re.ASCII,
)
_FILES = re.compile(r"_(?:command|delimiter|file|files|level|limit|maps?|path|service|time|timeout)\Z", re.ASCII)
_ROWS = re.compile(r"\b(?P<type>static|inline):(?:\{.*\}|\S+)", re.DOTALL | re.ASCII)
_NONE = re.compile(r"(?:[a-z]+:){0,3}[/$]\S*|!secret\b.*|\.\.\.", re.ASCII)
_QUOTED = re.compile(r'"([^"]*)"')
_BEGUN = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)(?P<between>[ \t]*[=:]?[ \t]+|=)(?P<value>.+)", re.DOTALL | re.ASCII)
_URI = re.compile(
    r"(?P<start>(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://[^\s/@:]*:)[^\s/@$][^\s/]*@", re.IGNORECASE | re.ASCII
)
_LOGIN = re.compile(r"(?P<start>(?:\A|[\s\"/])(?:[^\s\"/:@]+:)+)[^\s\"/:\[\]]+@", re.ASCII)
_BEGIN = r"(?<![A-Za-z0-9_.-])"
_VALUE = r"(?P<value>(?<=\")[^\"]+(?=\")|(?<=')[^']+(?=')|[^\s\"';,}]+)"
_SET = re.compile(
    rf"{_BEGIN}(?P<name>[A-Za-z0-9_.-]+)(?P<between>[\"']?[ \t]*=[ \t]*[\"']?|[\"']?:[ \t]+[\"']?){_VALUE}",
    re.ASCII,
)
_OPTION = re.compile(rf"{_BEGIN}(?P<name>--?[A-Za-z][A-Za-z0-9_.-]*)(?P<between>[ \t]+)(?!-){_VALUE}", re.ASCII)


def names_password(name: str) -> bool:
    """Return whether a setting, an option or a table of that name is for passwords."""
    return bool(_NAMED.search(name)) and not _FILES.search(name)


def shown(name: str, value: str) -> str:
    """Return the value of a setting, or of an entry of a table, without what may be a password."""
    if names_password(name) and value and not _NONE.fullmatch(value):
        return HIDDEN
    rows = _ROWS.sub(rf"\g<type>:{HIDDEN}", value) if _NAMED.search(name) else value
    return without_passwords(rows)


def without_passwords(text: str) -> str:
    """Return a text, such as the arguments of a service or a line of a file, without what may be a password."""
    text = _URI.sub(rf"\g<start>{HIDDEN}@", text)
    return _OPTION.sub(_assigned, _SET.sub(_assigned, text)) if _NAMED.search(text) else text


def without_login(text: str) -> str:
    """Return a text about a host without the password of ``user:password@host``."""
    return _LOGIN.sub(rf"\g<start>{HIDDEN}@", text)


def in_a_finding(text: str) -> str:
    """Return the text of a finding without what may be a password in what it quotes."""
    text = _URI.sub(rf"\g<start>{HIDDEN}@", text)
    return _QUOTED.sub(_quoted, text) if _NAMED.search(text) else text


def _quoted(match: re.Match[str]) -> str:
    """Return a quoted text; of one that begins with the name of a password, only the name."""
    if (begun := _BEGUN.fullmatch(match[1])) and names_password(begun["name"]):
        return f'"{begun["name"]}{begun["between"]}{shown(begun["name"], begun["value"])}"'
    return f'"{without_passwords(match[1])}"'


def _assigned(match: re.Match[str]) -> str:
    if not names_password(match["name"]) or _NONE.fullmatch(match["value"]) or HIDDEN in match["value"]:
        return match[0]
    return f"{match['name']}{match['between']}{HIDDEN}"
