"""Find the values that ``parameters`` overrides."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.features import baseline, parameters, tables
from reconciler.features.composition import FEATURES
from reconciler.model import Contribution, printable
from reconciler.postfix.scopes import CONFIG_DIRECTORY, words

if TYPE_CHECKING:
    from reconciler.model import Desired, Facts, Parameter, Where


class Override(NamedTuple):
    """A custom parameter, and the parameter that a feature would have set."""

    above: Parameter
    below: Parameter

    def __str__(self) -> str:
        above, below = self
        places = (f"{parameter.where.file}:{parameter.where.line}" for parameter in self)
        return printable(f"parameters.{above.name} ({next(places)}) prevails over {below.section} ({next(places)})")


def overridden(desired: Desired, facts: Facts) -> list[Override]:
    """Return the values of other sections that ``parameters`` overrides.

    Defaults that no file sets do not count, nor does a table of the commit that the parameter names as well.
    """
    below, custom = Contribution(), parameters.contribute(desired, facts, Contribution()).parameters
    for feature in FEATURES:
        if feature is not parameters:
            below = feature.contribute(desired, facts, below).over(below)
    return [
        Override(above, below.parameters[name])
        for name, above in custom.items()
        if name in below.parameters
        and _is_written(below.parameters[name], desired)
        and not _names_it_too(above, below.parameters[name], facts.directory)
    ]


def _names_it_too(above: Parameter, below: Parameter, directory: str) -> bool:
    """Return whether the value of ``parameters`` has the table that another section puts there."""
    given, table = (one.value.replace(f"{directory}/", f"{CONFIG_DIRECTORY}/") for one in (above, below))
    return below.section == tables.SECTION and table in words(given)


def _is_written(parameter: Parameter, desired: Desired) -> bool:
    """Return True if a file of the commit sets it, False if it is a default."""
    if parameter.section == baseline.SECTION:
        return parameter.where == desired.places.get((baseline.SECTION,))
    return bool(key_of(parameter.where, desired))


def key_of(where: Where, desired: Desired) -> tuple[str, ...]:
    """Return the path of the key at that place, or its file if it has a form of its own; empty for a default."""
    paths = [path for path, place in desired.places.items() if place == where]
    if paths:
        return max(paths, key=len)
    return (where.file,) if where.file.startswith(("tables/", "master.d/", "sites/")) else ()
