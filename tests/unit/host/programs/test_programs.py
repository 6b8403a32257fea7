"""The list of companions: each module holds what Program says."""

from __future__ import annotations

import inspect

import pytest

from reconciler.host.programs import PROGRAMS, Program


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_companion_is_known_by_its_name_and_holds_what_a_program_needs(name: str) -> None:
    program = PROGRAMS[name]

    assert name == program.NAME
    for member, value in vars(Program).items():
        if inspect.isfunction(value) and not member.startswith("_"):
            assert [*inspect.signature(getattr(program, member)).parameters] == [*inspect.signature(value).parameters][
                1:
            ], member
