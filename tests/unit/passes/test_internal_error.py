"""A bug is told with its kind and its place, and with nothing that reconciler was busy with."""

from __future__ import annotations

from functools import partial
from itertools import takewhile
from pathlib import Path

import pytest

from reconciler.host import effects
from reconciler.model.errors import CheckFailed, Stopping, Unavailable
from reconciler.passes.internal_error import InternalError, as_internal, failure_of, internal_errors, is_internal

SECRET = "hunter2"
RAISES = "gid = int(group) if"  # the line of numeric() that raises


def bug() -> InternalError:
    with pytest.raises(InternalError) as caught, internal_errors():
        effects.numeric(f"root:{SECRET}")
    return caught.value


def test_a_bug_is_told_with_its_kind_and_the_innermost_line_of_ours() -> None:
    lines = Path(effects.__file__).read_text().splitlines()
    line = 1 + len([*takewhile(lambda text: RAISES not in text, lines)])

    assert str(bug()) == (
        f"reconciler/host/effects.py:{line}:1: a bug in reconciler: KeyError in numeric;"
        " `reconciler explain internal-error` says how to report it"
    )
    assert str(bug().saying("push again")).endswith("report it; push again")
    assert is_internal(bug().findings)
    assert [finding.lasting for finding in bug().findings] == [False]


def test_what_the_exception_says_is_for_the_log_alone() -> None:
    assert SECRET not in str(bug())
    assert SECRET not in repr(bug().findings)
    assert SECRET in bug().traceback
    assert bug().traceback.startswith("Traceback (most recent call last)")
    assert bug().saying("x").traceback.startswith("Traceback")


class PanicException(BaseException):
    """What a panic in Rust looks like to Python: it is no Exception."""


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), PanicException(), AssertionError(), KeyError(1)])
def test_any_other_exception_is_a_bug(error: BaseException) -> None:
    with pytest.raises(InternalError, match=type(error).__name__), internal_errors():
        raise error


@pytest.mark.parametrize(
    "error",
    [Unavailable("x"), CheckFailed(bug().findings), OSError(28, "x"), KeyboardInterrupt(), SystemExit(1), bug()],
)
def test_what_is_raised_on_purpose_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, internal_errors():
        raise error

    assert caught.value is error


def test_an_exception_of_another_library_may_be_raised_on_purpose() -> None:
    with pytest.raises(ZeroDivisionError), internal_errors(ZeroDivisionError):
        raise ZeroDivisionError


def test_an_exception_without_a_frame_of_ours_has_a_place_all_the_same() -> None:
    assert str(as_internal(ValueError(SECRET))).startswith("reconciler:1:1: a bug in reconciler: ValueError in ?")


def test_a_task_tells_its_problem_and_its_bug_apart_and_is_stopped() -> None:
    def fails(error: BaseException) -> str:
        raise error

    assert not any(failure_of(lambda: None))
    assert (
        failure_of(lambda: "none there") == failure_of(partial(fails, OSError("none there"))) == ("none there", "", "")
    )
    problem, bug, traceback = failure_of(partial(fails, RuntimeError("its own text")))
    assert (problem, "RuntimeError" in bug, "its own text" in traceback) == ("", True, True)
    with pytest.raises(Stopping):
        failure_of(partial(fails, Stopping("stop")))
