"""No text of others makes a regular expression of the package slow: the steps that it takes grow as the text does.

Every expression in the sources is found and pumped: compiled ones, and those that are written where they are used. The
steps are counted, not timed, so the test says the same on every machine.
"""

from __future__ import annotations

import ast
import importlib
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.regex_steps import TooManySteps, attacks, matches, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCES = sorted(ROOT.glob("reconciler/**/*.py"))
USES = frozenset({"match", "fullmatch", "search", "findall", "finditer", "sub", "subn", "split"})
SEARCHING = USES - {"match", "fullmatch"}
STEP = 8
CHARACTERS = 'a0 \t.:"\\\n'
LINES = frozenset({"postfix.log", "postfix.own_faults", "postfix.turned_away", "rehearsal.delivered",
    "rehearsal.fates", "rehearsal.inside.deliveries", "rehearsal.received", "rehearsal.verdict"})  # fmt: skip
"""The modules whose expressions read one line of the mail log, which is cut at LONGEST: they may grow a little."""
ENDS = ("", "\x00", "\n!")


@dataclass(frozen=True)
class Expression:
    """A pattern, where it is written, and the ways in which it is used."""

    pattern: str
    flags: int
    where: str
    uses: frozenset[str]


def expressions(path: Path) -> Iterator[Expression]:
    """Yield the regular expressions of a source file."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    module = vars(importlib.import_module(name))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    compiled = {key: value for key, value in module.items() if isinstance(value, re.Pattern)}
    for key, value in compiled.items():
        yield _expression(value.pattern, value.flags, f"{name}.{key}", _uses(key, path))
    named = {id(node.value) for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args:
            use = ast.unparse(node.func).removeprefix("re.")
            if use in USES or (use == "compile" and id(node) not in named):
                yield from _written(node, use, module, f"{name}:{node.lineno}")


def _uses(key: str, path: Path) -> set[str]:
    """Return the methods that are called on a compiled expression, or on the variables of its module if it has none."""
    texts = [path] if key.startswith("_") else SOURCES
    found = set[str]()
    for one in texts:
        found |= set(re.findall(rf"\b{key}\.({'|'.join(USES)})\b", one.read_text(encoding="utf-8")))
    return found or set(re.findall(rf"\bpattern\.({'|'.join(USES)})\b", path.read_text(encoding="utf-8"))) or {"search"}


def _written(node: ast.Call, use: str, module: dict[str, Any], where: str) -> Iterator[Expression]:
    """Yield the expression in a call, if its text is known before the call; parts that vary stand for a word."""
    try:
        pattern = eval(ast.unparse(node.args[0]), dict(module))
        flags = eval(ast.unparse(_flags(node, use)), dict(module))
    except NameError:
        pattern, flags = _with_words(node.args[0]), 0
    if isinstance(pattern, str | bytes):
        yield _expression(pattern, int(flags), where, {"match"} if use == "compile" else {use})


def _flags(node: ast.Call, use: str) -> ast.expr:
    keyword = next((one.value for one in node.keywords if one.arg == "flags"), None)
    place = {"compile": 1, "sub": 4, "split": 3}.get(use, 2)
    return keyword or (node.args[place] if len(node.args) > place else ast.Constant(0))


def _with_words(node: ast.expr) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "word" for part in parts)


def _expression(pattern: str | bytes, flags: int, where: str, uses: set[str] | frozenset[str]) -> Expression:
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    return Expression(text, flags & ~(re.UNICODE | re.ASCII), where, frozenset(uses))


def slow(expression: Expression, degree: int = 1) -> str:
    """Return a text for which the steps grow faster than its length to the power of *degree*; "" if there is none."""
    whole, searched = expression.uses == {"fullmatch"}, bool(expression.uses & SEARCHING)
    own = "".join(sorted({char for char in expression.pattern if char in "-_,;/@#$%{}[]()=!*+|"}))[:6]
    for before, pump in dict.fromkeys(attacks(expression.pattern, expression.flags, CHARACTERS + own)):
        for end in ENDS:
            text = f"{before!r} + {pump!r} * n + {end!r}"
            texts = (before + pump * (STEP * times) + end for times in range(1, degree + 3))
            try:
                counts = [
                    steps(expression.pattern, one, expression.flags, searched=searched, whole=whole) for one in texts
                ]
            except TooManySteps:
                return text
            rest = counts
            for _ in range(degree + 1):  # the differences of a polynomial of this degree end at nothing
                rest = [after - one for one, after in pairwise(rest)]
            if rest[0] > STEP:
                return f"{text}: {counts} steps"
    return ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "reconciler")))
def test_no_text_makes_an_expression_slow(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT / "reconciler").with_suffix("").parts)
    degree = 2 if name in LINES else 1
    found = {one.where: f"{one.pattern}: {text}" for one in set(expressions(path)) if (text := slow(one, degree))}
    assert found == {}


@pytest.mark.parametrize(
    ("pattern", "use"),
    [
        (r"/(?:\\.|(?!/).)*/ x", "match"),
        (r"(a|b|ab)*c", "match"),
        (r"(?:a+)+b", "fullmatch"),
        (r"\s*:?\s*\Z", "match"),
        (r"a[^:]*?\s*:", "match"),
        (r"\.+(?P<domain>.+?)\.*", "fullmatch"),
        (r"<[^>]*>", "search"),
        (r"\s+#", "sub"),
        (r"-----BEGIN .*?-----END", "finditer"),
    ],
)
def test_an_expression_that_may_be_slow_is_found(pattern: str, use: str) -> None:
    assert slow(Expression(pattern, 0, "", frozenset({use})))


@pytest.mark.parametrize(
    ("pattern", "use"),
    [
        (r"/(?:\\.|(?!/)[^\\])*/ x", "match"),
        (r"\s*(?::\s*)?\Z", "match"),
        (r"(?<!\s)\s+#", "sub"),
        (r"[a-z]+=[0-9]*;", "match"),
    ],
)
def test_an_expression_that_takes_one_way_is_not(pattern: str, use: str) -> None:
    assert not slow(Expression(pattern, 0, "", frozenset({use})))


@pytest.mark.parametrize("text", ["aab", "", "a.b..", "xx=12;", '"a\\"b" c'])
@pytest.mark.parametrize(
    "pattern", [r"a*?b", r"(a|ab)(b|)\Z", r"[^.]+(\.[^.]+)*", r"x+=\d+;", r'"(?:\\.|[^"\\])*"\s(?=c)']
)
def test_the_counted_matcher_agrees_with_re(pattern: str, text: str) -> None:
    assert matches(pattern, text) == (re.match(pattern, text) is not None)
