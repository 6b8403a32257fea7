"""The options of a service of master.cf, made of their values when asked for; those of a file have one on each line.

There may be thousands of such services, of whose options few are asked for, and which set the same parameters: their
values alone take a tenth of the memory. Pure. Raises nothing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

from reconciler.model import Parameter, Where
from reconciler.model.past import Past

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPTION = re.compile(r"\s+-o\s+([A-Za-z0-9_][A-Za-z0-9_.-]*)=([^\s{}]*)\s*", re.ASCII)
_BETWEEN = "\n"  # which is in no value


class _Form(NamedTuple):
    """The parameters that options set, and the places of their names: lines from that of the first, and columns."""

    names: tuple[str, ...]
    places: tuple[tuple[int, int], ...]


_forms: Past[_Form] = Past(256)
"""Forms, so that services that set the same parameters share the memory of one."""


class PlainOptions(Sequence[Parameter]):
    """Options with some *values* in a *file*, the first of them in *line*."""

    __slots__ = ("_file", "_form", "_line", "_service", "_values")

    def __init__(self, form: _Form, values: str, file: str, line: int, service: str) -> None:
        self._form, self._values, self._file, self._line, self._service = form, values, file, line, service

    def __iter__(self) -> Iterator[Parameter]:
        """Yield the options as they are in the file."""
        rows = zip(self._form.names, self._form.places, self._values.split(_BETWEEN), strict=True)
        for name, (line, column), value in rows:
            yield Parameter(name, value, Where(self._file, self._line + line, column), self._service)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._form.names)

    @overload
    def __getitem__(self, index: int) -> Parameter: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Parameter, ...]: ...
    def __getitem__(self, index: int | slice) -> Parameter | tuple[Parameter, ...]:
        """Return an option, or some."""
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        """Compare with other options, whether these are made or not."""
        return tuple(self) == tuple(other) if isinstance(other, PlainOptions | tuple) else NotImplemented

    def __hash__(self) -> int:
        """Return the hash of the same options as a tuple."""
        return hash(tuple(self))

    def __repr__(self) -> str:
        """Show the options as a tuple."""
        return repr(tuple(self))


def plain_options(
    lines: Sequence[tuple[int, str]], file: str, service: str, *, later: bool
) -> Sequence[Parameter] | None:
    """Return the options in numbered lines, made at once or *later*; None if a line has another form."""
    found = [option for _, text in lines if (option := _OPTION.fullmatch(text))]
    if len(found) < len(lines):
        return None
    options = tuple(
        Parameter(sys.intern(option[1]), option[2], Where(file, number, option.start(1) + 1), service)
        for (number, _), option in zip(lines, found, strict=True)
    )
    return packed(options) if later else options


def packed(options: Sequence[Parameter]) -> Sequence[Parameter]:
    """Return the same options, to be made again when asked for; as they are if they differ in file or section."""
    places = {(one.where.file, one.section) for one in options}
    if len(places) != 1 or any(_BETWEEN in one.value for one in options):
        return tuple(options)
    [(file, section)] = places
    line = options[0].where.line
    form = _Form(
        tuple(one.name for one in options), tuple((one.where.line - line, one.where.column) for one in options)
    )
    return PlainOptions(_forms.shared(form), _BETWEEN.join(one.value for one in options), file, line, section)
