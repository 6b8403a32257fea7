"""Count the steps of a regular expression: a small backtracking matcher that does what `re` does, one step at a time.

Promises: the same pattern and text always take the same number of steps, on every machine; no clock is read. Raises
TooManySteps beyond MOST, and KeyError for a construct that the package does not use.

Known limit: `re` itself skips some of these steps (it compares literal prefixes first), so a count is an upper bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    _Ends: TypeAlias = "Callable[[_Run, Any, int], Iterator[int]]"
    _Node: TypeAlias = tuple[_Ends | None, Any]

_parser: Any = re._parser  # type: ignore[attr-defined]  # noqa: SLF001 - the only door to the tree of a pattern
_WORDS: dict[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdigit,
    "CATEGORY_NOT_DIGIT": lambda char: not char.isdigit(),
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_NOT_SPACE": lambda char: not char.isspace(),
    "CATEGORY_WORD": lambda char: char.isalnum() or char == "_",
    "CATEGORY_NOT_WORD": lambda char: not (char.isalnum() or char == "_"),
}  # fmt: skip
_CHARACTERS = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})
MOST = 200_000
_LEAD = 20  # characters of a beginning that is repeated
_FEW = 8  # a repetition up to this often costs nothing that grows


class TooManySteps(Exception):  # noqa: N818 - a result of counting
    """The text takes more than MOST steps."""


@dataclass
class _Run:
    """One attempt to match: the text, its groups, and the steps so far."""

    text: str
    flags: int
    groups: dict[int, tuple[int, int]]
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps > MOST:
            raise TooManySteps


@lru_cache(maxsize=16)  # a pattern is matched with many texts, and parsing takes longer than most of them
def tree_of(pattern: str, flags: int = 0) -> Any:  # noqa: ANN401 - a private class of `re`
    """Return the tree of a pattern."""
    return _parser.parse(pattern, flags)


class _Characters(dict[str, bool]):
    """Whether a node of one character accepts one, found out once for each."""

    def __init__(self, name: str, argument: Any, flags: int) -> None:  # noqa: ANN401 - as tree_of()
        super().__init__()
        self._node = name, argument, flags

    def __missing__(self, char: str) -> bool:
        name, argument, flags = self._node
        self[char] = found = accepts(name, argument, char, flags)
        return found


@lru_cache(maxsize=16)  # as above
def _nodes_of(pattern: str, flags: int = 0) -> list[_Node]:
    """Return the same in the form that _all() takes."""
    tree = tree_of(pattern, flags)
    return _prepared(tree, tree.state.flags)


def _prepared(nodes: Any, flags: int) -> list[_Node]:  # noqa: ANN401 - as tree_of()
    return [_node(op.name, argument, flags) for op, argument in nodes]


def _node(name: str, argument: Any, flags: int) -> _Node:  # noqa: ANN401 - as tree_of()
    """Return what yields the ends of a node, and its argument; nothing and the characters for a node of one."""
    if name in _CHARACTERS:
        return None, _Characters(name, argument, flags)
    if name == "BRANCH":
        return _NODES[name], [_prepared(one, flags) for one in argument[1]]
    if name == "SUBPATTERN":
        return _NODES[name], (argument[0], _prepared(argument[3], flags))
    if name in {"MAX_REPEAT", "MIN_REPEAT"}:
        return _NODES[name], (*argument[:2], _prepared(argument[2], flags))
    if name in {"ASSERT", "ASSERT_NOT"}:
        direction, inner = argument
        return _NODES[name], (0 if direction > 0 else inner.getwidth()[0], _prepared(inner, flags))
    return _NODES[name], argument


def steps(pattern: str, text: str, flags: int = 0, *, searched: bool, whole: bool = False) -> int:
    """Return how many steps it takes to match a text; *searched* tries every place, *whole* must reach the end."""
    nodes, tree, taken = _nodes_of(pattern, flags), tree_of(pattern, flags), 0
    for start in range(len(text) + 1 if searched else 1):
        run = _Run(text, tree.state.flags, {}, taken)
        found = next((end for end in _all(run, nodes, start) if not whole or end == len(text)), None)
        taken = run.steps
        if found is not None:
            break
    return taken


def matches(pattern: str, text: str) -> bool:
    """Return whether the text begins as the pattern says, as re.match() does."""
    tree = tree_of(pattern)
    return next(_all(_Run(text, tree.state.flags, {}), _nodes_of(pattern), 0), None) is not None


def _all(run: _Run, nodes: list[_Node], at: int, place: int = 0) -> Iterator[int]:
    """Yield the places where the nodes from *place* on can end, in the order in which `re` tries them."""
    last = len(nodes) - 1
    while True:
        run.step()
        if not nodes:
            yield at
            return
        ends, argument = nodes[place]
        if ends is None:  # without a generator: there is at most one end
            if at >= len(run.text) or not argument[run.text[at]]:
                return
            at += 1
            if place == last:
                yield at
                return
            place += 1
        elif place == last:
            yield from ends(run, argument, at)
            return
        else:
            for end in ends(run, argument, at):
                yield from _all(run, nodes, end, place + 1)
            return


def accepts(name: str, argument: Any, char: str, flags: int) -> bool:  # noqa: ANN401 - as tree_of()
    """Return whether a node of one character accepts this one."""
    if name == "ANY":
        return char != "\n" or bool(flags & re.DOTALL)
    if name in {"LITERAL", "NOT_LITERAL"}:
        same = char == chr(argument) or (bool(flags & re.IGNORECASE) and char.lower() == chr(argument).lower())
        return same == (name == "LITERAL")
    inside = [one for one in argument if one[0].name != "NEGATE"]
    found = any(_is_in(kind.name, value, char, flags) for kind, value in inside)
    return found == (len(inside) == len(argument))


def _is_in(kind: str, value: Any, char: str, flags: int) -> bool:  # noqa: ANN401 - as tree_of()
    forms = {char, char.lower(), char.upper()} if flags & re.IGNORECASE else {char}
    if kind == "CATEGORY":
        return _WORDS[str(value)](char)
    low, high = value if kind == "RANGE" else (value, value)
    return any(len(form) == 1 and low <= ord(form) <= high for form in forms)


def _branch(run: _Run, argument: Any, at: int) -> Iterator[int]:  # noqa: ANN401 - as tree_of()
    for branch in argument:
        yield from _all(run, branch, at)


def _group(run: _Run, argument: Any, at: int) -> Iterator[int]:  # noqa: ANN401 - as tree_of()
    number, inner = argument
    for end in _all(run, inner, at):
        if number is not None:
            run.groups[number] = at, end
        yield end


def _repeated(run: _Run, argument: Any, at: int) -> Iterator[int]:  # noqa: ANN401 - as tree_of()
    """Yield the ends of a greedy repetition, the longest first."""
    least, most, body = argument
    if len(body) == 1 and body[0][0] is None:
        yield from _repeated_character(run, argument, at)
        return
    ends, path = [iter((at,))], list[int]()
    while ends:
        end = next(ends[-1], None)
        if end is None:
            ends.pop()
            if path and len(path) > len(ends):
                last = path.pop()
                if len(path) >= least:
                    yield last
            continue
        path.append(end)
        count = len(path) - 1
        empty = count > 0 and path[-1] == path[-2]
        ends.append(_all(run, body, end) if count < most and not empty else iter(()))


def _repeated_character(run: _Run, argument: Any, at: int) -> Iterator[int]:  # noqa: ANN401 - as tree_of()
    """Yield the same for one character, which has one end where it has one."""
    least, most, ((_, characters),) = argument
    count, text = 0, run.text
    while count < most:
        run.step()
        if at + count >= len(text) or not characters[text[at + count]]:
            break
        count += 1
    yield from range(at + count, at + least - 1, -1)


def _lazily(run: _Run, argument: Any, at: int) -> Iterator[int]:  # noqa: ANN401 - as tree_of()
    """Yield the ends of a lazy repetition, the shortest first."""
    least, most, body = argument
    waiting = [(iter((at,)), 0)]
    while waiting:
        ends, count = waiting[-1]
        end = next(ends, None)
        if end is None:
            waiting.pop()
            continue
        if count >= least:
            yield end
        if count < most:
            waiting.append((_all(run, body, end), count + 1))


def _ahead(*, wanted: bool) -> _Ends:
    def node(run: _Run, argument: Any, at: int) -> Iterator[int]:  # noqa: ANN401 - as tree_of()
        back, inner = argument
        start = at - back
        found = start >= 0 and next(_all(run, inner, start), None) is not None
        if found == wanted:
            yield at

    return node


def _again(run: _Run, number: int, at: int) -> Iterator[int]:
    first, last = run.groups.get(number, (0, -1))
    if last >= first and run.text.startswith(run.text[first:last], at):
        yield at + last - first


def _place(run: _Run, where: Any, at: int) -> Iterator[int]:  # noqa: ANN401 - as tree_of()
    text, name, many = run.text, where.name, run.flags & re.MULTILINE
    before, after = text[at - 1 : at] if at else "", text[at : at + 1]
    word = [bool(side) and (side.isalnum() or side == "_") for side in (before, after)]
    held = {
        "AT_BEGINNING": at == 0 or (many and before == "\n"),
        "AT_BEGINNING_STRING": at == 0,
        "AT_END": not after or text[at:] == "\n" or (many and after == "\n"),
        "AT_END_STRING": not after,
        "AT_BOUNDARY": word[0] != word[1],
        "AT_NON_BOUNDARY": word[0] == word[1],
    }
    if held[name]:
        yield at


_NODES: dict[str, _Ends] = {
    "BRANCH": _branch,
    "SUBPATTERN": _group,
    "MAX_REPEAT": _repeated,
    "MIN_REPEAT": _lazily,
    "ASSERT": _ahead(wanted=True),
    "ASSERT_NOT": _ahead(wanted=False),
    "GROUPREF": _again,
    "AT": _place,
}


# ---- texts that pump -------------------------------------------------------------------------------------------------


def attacks(pattern: str, flags: int, characters: str) -> Iterator[tuple[str, str]]:
    """Yield beginnings with a piece to repeat: what a repetition accepts, or what leads to it."""
    tree = tree_of(pattern, flags)
    for before, inner in _repetitions(list(tree), [""], tree.state.flags, characters):
        for one in before[:3]:
            yield from ((one, pump) for pump in _samples(inner, tree.state.flags, characters))
            yield "", one[:_LEAD]  # a search may begin to read the rest at each of them


def _repetitions(nodes: list[Any], before: list[str], flags: int, characters: str) -> Iterator[tuple[list[str], Any]]:
    """Yield each repetition that may grow, with texts that lead to it."""
    for place, (op, argument) in enumerate(nodes):
        lead = [one + text for one in before[:2] for text in _samples(nodes[:place], flags, characters)[:2]] or before
        if op.name in {"MAX_REPEAT", "MIN_REPEAT"}:
            if argument[1] > _FEW:
                yield lead, list(argument[2])
            yield from _repetitions(list(argument[2]), lead, flags, characters)
        for inner in _inside(op, argument):
            yield from _repetitions(list(inner), lead, flags, characters)


def _inside(op: Any, argument: Any) -> list[Any]:  # noqa: ANN401 - as tree_of()
    if op.name == "BRANCH":
        return list(argument[1])
    place = {"SUBPATTERN": 3, "ASSERT": 1, "ASSERT_NOT": 1}.get(op.name)
    return [argument[place]] if place else []


def _samples(nodes: list[Any], flags: int, characters: str) -> list[str]:
    """Return some texts that the nodes accept, assertions aside."""
    texts = [""]
    for op, argument in nodes:
        ends = _ends(op.name, argument, flags, characters)
        texts = list(dict.fromkeys(text + end for text in texts[:4] for end in ends))
    return texts


def _ends(name: str, argument: Any, flags: int, characters: str) -> list[str]:  # noqa: ANN401 - as tree_of()
    if name in _CHARACTERS:
        own = [chr(argument)] if name == "LITERAL" else []
        return own or [char for char in characters if accepts(name, argument, char, flags)] or [""]
    if name in {"MAX_REPEAT", "MIN_REPEAT"}:
        least, _, inner = argument
        once = _samples(list(inner), flags, characters)
        return [one * max(least, 1) for one in once] if least else ["", *once]
    if name == "BRANCH":
        return list(chain.from_iterable(_samples(list(one), flags, characters) for one in argument[1]))
    return _samples(list(argument[3]), flags, characters) if name == "SUBPATTERN" else [""]
