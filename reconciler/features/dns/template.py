"""DNS templates from the repository, in a restricted language; each line of the result knows its template line.

Raises BadTemplate.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, NoReturn

from jinja2 import Environment, StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.lexer import Token
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reconciler.model.ascii_text import SPACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jinja2.lexer import TokenStream

# ---- templates from the repository -----------------------------------------------------------------------------------

_STATEMENTS = ("for", "endfor", "if", "elif", "else", "endif")
_FILTERS = ("default", "first", "join", "last", "length", "lower", "reject", "select", "sort", "upper")
_TESTS = ("defined", "divisibleby", "even", "in", "odd", "undefined")
_MARK = re.compile("\x02([0-9]+)\x03")
_MOST_BYTES, _MOST_PIECES = 64 << 10, 20_000
_MALFORMED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class BadTemplate(ValueError):  # noqa: N818 - as in errors.py
    """A template from the repository can't be read or rendered; *line* is the place."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


class _Lines(Extension):
    """Mark each line of the result with its line in the template, and refuse other statements."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        previous = statement = ""
        for token in stream:
            if previous == "block_begin" and token.value not in _STATEMENTS:
                text = f'a zone template can\'t use "{token.value}"; it can use {", ".join(_STATEMENTS)}'
                raise TemplateSyntaxError(text, token.lineno)
            if token.type == "tilde":
                raise TemplateSyntaxError('a zone template can\'t use "~"', token.lineno)
            if previous == "block_begin":
                statement = token.value
            elif token.value in ("if", "recursive") and token.type == "name" and statement == "for":
                raise TemplateSyntaxError(f'a loop of a zone template can\'t use "{token.value}"', token.lineno)
            if token.type == "block_end":
                statement = ""
            if previous in ("", "block_end") or token.type == "variable_begin":
                yield Token(token.lineno, "data", f"\x02{token.lineno}\x03")
            if token.type == "data":
                first, *rest = token.value.split("\n")
                marked = (f"\x02{token.lineno + number}\x03{line}" for number, line in enumerate(rest, 1))
                yield Token(token.lineno, "data", "\n".join((first, *marked)))
            else:
                yield token
            previous = token.type


class _Sandbox(ImmutableSandboxedEnvironment):
    """Templates read values and call nothing: only a loop has attributes, and no operator makes values grow."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> NoReturn:  # noqa: ANN401, ARG002 - theirs
        raise SecurityError(f'a zone template can\'t use "{operator}"')

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ANN401 - as above
        return isinstance(obj, LoopContext) and super().is_safe_attribute(obj, attr, value)


def _join(values: Iterable[object], by: str = "") -> str:
    """Join a list; refuse a text, because Jinja would join its characters."""
    parts = [] if isinstance(values, str) else list(map(str, values))
    if isinstance(values, str) or sum(map(len, parts)) + len(by) * len(parts) > _MOST_BYTES:
        raise SecurityError("join needs a list, and a result that is not too long")
    return by.join(parts)


@functools.cache
def _sandbox() -> Environment:
    environment = _Sandbox(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False, extensions=[_Lines],
    )  # fmt: skip
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS} | {"join": _join}
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    return environment


@functools.lru_cache(maxsize=64)
def _compiled(source: str) -> Any:  # noqa: ANN401 - jinja2's Template
    if len(source) > _MOST_BYTES:
        raise BadTemplate(1, f"the template has {len(source)} characters, more than the limit of {_MOST_BYTES}")
    if match := _MALFORMED.search(source.replace("\r\n", "\n")):
        line = source.count("\n", 0, match.start()) + 1
        raise BadTemplate(line, f"a template can't contain the control character {match[0]!r}")
    try:
        return _sandbox().from_string(source)
    except TemplateSyntaxError as error:
        raise BadTemplate(error.lineno, error.message or "it can't be read") from error
    except (RecursionError, SyntaxError) as error:
        raise BadTemplate(1, "it is nested too deeply") from error
    except ValueError as error:  # a number with thousands of digits
        raise BadTemplate(1, str(error)) from error


def render_lines(source: str, values: Mapping[str, object]) -> list[tuple[int, str]]:
    """Render a template from the repository; return each line of the result with its line in the template."""
    pieces: list[str] = []
    size = 0
    try:
        for piece in _compiled(source).generate(**values):
            pieces.append(piece)
            size += len(piece)
            if size > 4 * _MOST_BYTES or len(pieces) > _MOST_PIECES:
                break
    except BadTemplate:
        raise
    except (TemplateError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise BadTemplate(_line_of("".join(pieces), 1), str(error) or type(error).__name__) from error
    if size > 4 * _MOST_BYTES or len(pieces) > _MOST_PIECES:
        raise BadTemplate(_line_of("".join(pieces[-50:]), 1), "the result is too long, or has no end")
    lines: list[tuple[int, str]] = []
    for line in "".join(pieces).split("\n"):
        lines.append((_line_of(line, lines[-1][0] if lines else 1), _MARK.sub("", line)))
    return lines


def _line_of(text: str, otherwise: int) -> int:
    """Return the template's line: the last mark before a line's text, or the last mark of several lines."""
    marks = list(_MARK.finditer(text))
    leading = [mark for mark in marks if not _MARK.sub("", text[: mark.start()]).strip(SPACE)] or marks
    return int((leading if "\n" not in text else marks)[-1][1]) if marks else otherwise
