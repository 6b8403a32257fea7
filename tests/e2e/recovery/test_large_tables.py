"""The map of a large table is changed in a copy of the live one: killed at every effect, it is old or new whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.adopted_host import MAIL
from tests.e2e.crash_driver import crash_driver, points, survive, told

if TYPE_CHECKING:
    import pytest

    from tests.e2e.crash_driver import CrashDriver

ROWS = [f"user{number:05}@v.test  box{number % 9}@out.test\n" for number in range(9_000)]
EDITED = ["New@v.test  other@out.test\n", *ROWS[:4_000], "user04000@v.test  changed@out.test\n", *ROWS[4_001:-1]]
LARGE = MAIL + "  virtual_alias_domains: v.test\n"
PLACE = "/etc/postfix/virtual"


def compiled(crasher: CrashDriver, kind: str) -> str:
    """Return the entries that postmap makes of the live source, sorted."""
    again = (
        f"cp {PLACE} /run/compiled-anew && postmap {kind}:/run/compiled-anew && postmap -s {kind}:/run/compiled-anew"
    )
    return crasher.adopted.sh(f"{again} | sort")


def held(crasher: CrashDriver, kind: str) -> str:
    """Return the entries of the live map, sorted."""
    return crasher.adopted.sh(f"postmap -s {kind}:{PLACE} | sort")


def test_the_change_of_a_map_killed_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    with crash_driver() as crasher:
        crasher.adopted.write_past_hook({"mail.yaml": LARGE, "tables/virtual": "".join(ROWS)}, "A large table")
        assert crasher.run("once").status == 0
        before = held(crasher, "lmdb")
        crasher.save("large")
        crasher.adopted.write_past_hook({"tables/virtual": "".join(EDITED)}, "One more, one less, one changed")
        whole = crasher.run("once")
        assert whole.status == 0, whole.output
        after = held(crasher, "lmdb")
        assert after == compiled(crasher, "lmdb") != before
        compiling = whole.effects.index("act")
        assert whole.effects[compiling - 1 : compiling + 2] == ["copy", "act", "act"], "a copy, -d and -i"
        tried = [one for one in points(whole.effects) if compiling - 1 <= one[0] <= compiling + 4]

        def good() -> bool:
            return held(crasher, "lmdb") == after

        ends = survive(crasher, ("once",), tried, good, {0})
        told(capsys, "the change of a large map", tried, ends)


def test_the_changed_map_of_each_type_is_the_compiled_one() -> None:
    with crash_driver() as crasher:
        for kind in ("hash", "lmdb"):
            name = f"tables/virtual.{kind}"
            crasher.adopted.write_past_hook({"mail.yaml": LARGE, name: "".join(ROWS)}, f"A large {kind}")
            assert crasher.run("once").status == 0
            for rows in (EDITED, [*EDITED[2:], "OTHER@v.test  box@out.test\n"], list(reversed(ROWS))):
                crasher.adopted.write_past_hook({name: "".join(rows)}, "Edited")
                ran = crasher.run("once")
                assert ran.status == 0, ran.output
                assert held(crasher, kind) == compiled(crasher, kind)
            crasher.adopted.write_past_hook({name: None}, "Gone")
