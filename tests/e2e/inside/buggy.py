"""Runs reconciler's own command line with a bug of its own: where it has it, and what it is, stands in a file.

    buggy.py ARGUMENT ...           inside a host, in place of `reconciler ARGUMENT ...`

/run/bug holds PLACE and KIND on a line each; without that file there is no bug. PLACE is judge (while a commit that
names bug.test is judged), swap (after such a commit has been swapped in) or recover (in each recovery). KIND is the
name of an exception. Its text holds a secret, as a real one might.
"""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.apply import protocol
from reconciler.apply.activate import go_live
from reconciler.apply.recover import recover
from reconciler.commands import main as cli
from reconciler.desired.lint import lint
from reconciler.passes import judge, recovery, run

if TYPE_CHECKING:
    from collections.abc import Callable

BUG = Path("/run/bug")
SECRET = "hunter2"
MARK = b"bug.test"


def meet(place: str) -> None:
    """Raise what the file says, if the bug is here."""
    here, kind = BUG.read_text().split() if BUG.exists() else ("", "")
    if here == place:
        raise getattr(builtins, kind)(f"invalid literal: {SECRET}")


def before(place: str, real: Callable[..., Any], has_it: Callable[..., bool]) -> Callable[..., Any]:
    """Return *real* with the bug in front of it."""

    def with_bug(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the real one
        if has_it(*args):
            meet(place)
        return real(*args, **kwargs)

    return with_bug


def after(place: str, real: Callable[..., Any], has_it: Callable[..., bool]) -> Callable[..., Any]:
    """Return *real* with the bug behind it."""

    def with_bug(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the real one
        result = real(*args, **kwargs)
        if has_it(*args):
            meet(place)
        return result

    return with_bug


def desired_has_it(desired: Any, *_: Any) -> bool:  # noqa: ANN401 - a Desired
    """Whether the commit's transport table names bug.test."""
    return any(MARK in table.source for table in desired.tables.values())


def generation_has_it(generation: Any, *_: Any) -> bool:  # noqa: ANN401 - a Generation
    """Whether the generation's transport table names bug.test."""
    return MARK in (generation.root / "transport").read_bytes()


vars(judge)["lint"] = before("judge", lint, desired_has_it)
vars(protocol)["go_live"] = after("swap", go_live, generation_has_it)
vars(run)["recover"] = vars(recovery)["recover"] = before("recover", recover, lambda *_: True)

if __name__ == "__main__":
    cli.main()
