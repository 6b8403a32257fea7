"""The map of a large table is changed in a copy of the live one: killed at every effect, it is old or new whole.

So is it if the program is killed that changes the copy. Whatever is live, the map equals its source.
"""

from __future__ import annotations

import signal
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL
from tests.e2e.crash_driver import KILLED, crash_driver, points, told

if TYPE_CHECKING:
    from tests.e2e.crash_driver import CrashDriver

ROWS = [f"user{number:05}@v.test  box{number % 9}@out.test\n" for number in range(9_000)]
EDITED = ["New@v.test  other@out.test\n", *ROWS[:4_000], "user04000@v.test  changed@out.test\n", *ROWS[4_001:-1]]
MANY_EDITED = [row.replace("box", "other") if not number % 20 else row for number, row in enumerate(ROWS)]
MANY_EDITED[10:] = [row for number, row in enumerate(MANY_EDITED[10:]) if number % 300]
DELAYS = (0.004, 0.012)
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


def consistent(crasher: CrashDriver, kind: str) -> str:
    """Return the entries of the live map; fail unless they are those of its source."""
    entries = held(crasher, kind)
    assert entries == compiled(crasher, kind)
    return entries


def test_the_change_of_a_map_killed_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    with crash_driver() as crasher:
        crasher.adopted.write_past_hook({"mail.yaml": LARGE, "tables/virtual": "".join(ROWS)}, "A large table")
        crasher.succeed("once")
        before = consistent(crasher, "lmdb")
        crasher.save("large")
        crasher.adopted.write_past_hook({"tables/virtual": "".join(EDITED)}, "One more, one less, one changed")
        whole = crasher.run("once")
        assert whole.status == 0, whole.output
        after = consistent(crasher, "lmdb")
        assert after != before
        compiling = whole.effects.index("act")
        assert whole.effects[compiling - 1 : compiling + 2] == ["copy", "act", "act"], "a copy, -d and -i"
        swap = len(whole.effects) - whole.effects[::-1].index("symlink")
        tried, left = [one for one in points(whole.effects) if compiling - 1 <= one[0] <= swap + 1], dict[str, int]()
        for number, when in tried:
            where = f"{when} effect {number}"
            crasher.restore()
            assert crasher.run("once", at=number, when=when).status == KILLED, where
            name, entries = crasher.live(), consistent(crasher, "lmdb")
            assert entries == (before if number <= swap else after), f"{where}: {name}"
            again = crasher.run("once")
            assert (again.status, consistent(crasher, "lmdb")) == (0, after), f"{where}: {again.output}"
            crasher.whole_at_last(where)
            crasher.answers(where)
            left[name] = left.get(name, 0) + 1
        told(capsys, "the change of a large map", tried, left)
        assert len(left) == len({before, after}), left


@pytest.mark.parametrize("kind", ["hash", "lmdb"])
def test_the_program_that_changes_a_map_killed_amid_its_work(kind: str) -> None:
    name, killed = f"tables/virtual.{kind}", 0
    with crash_driver() as crasher:
        crasher.adopted.write_past_hook({"mail.yaml": LARGE, name: "".join(ROWS)}, "A large table")
        crasher.succeed("once")
        before = consistent(crasher, kind)
        crasher.save("large")
        crasher.adopted.write_past_hook({name: "".join(MANY_EDITED)}, "Many rows changed")
        whole = crasher.run("once")
        after, changing = consistent(crasher, kind), whole.effects.index("act") + 1
        for number, delay in product((changing, changing + 1), DELAYS):
            crasher.restore()
            ran = crasher.run("once", at=number, when=f"amid {delay}")
            assert (ran.status, consistent(crasher, kind)) in ((KILLED, before), (KILLED, after), (0, after)), delay
            killed += ran.status == KILLED
            again = crasher.run("once")
            assert (again.status, consistent(crasher, kind)) == (0, after), again.output
            crasher.whole_at_last(f"{delay} s into effect {number}")
    assert killed > len(DELAYS), "most of them are in time"


def test_the_changed_map_of_each_type_is_the_compiled_one() -> None:
    with crash_driver() as crasher:
        for kind in ("hash", "lmdb"):
            name = f"tables/virtual.{kind}"
            crasher.adopted.write_past_hook({"mail.yaml": LARGE, name: "".join(ROWS)}, f"A large {kind}")
            crasher.succeed("once")
            for rows in (EDITED, [*EDITED[2:], "OTHER@v.test  box@out.test\n"], list(reversed(ROWS))):
                crasher.adopted.write_past_hook({name: "".join(rows)}, "Edited")
                ran = crasher.run("once")
                assert ran.status == 0, ran.output
                assert held(crasher, kind) == compiled(crasher, kind)
            crasher.adopted.write_past_hook({name: None}, "Gone")


def test_copies_that_were_made_ahead_killed_while_a_stage_takes_them() -> None:
    rows = "".join(f"user{number:06}@v.test  box{number % 9}@out.test\n" for number in range(150_000))
    with crash_driver() as crasher:
        adopted, spares = crasher.adopted, crasher.host.root / "var/lib/reconciler/private/spares"
        adopted.write_past_hook({"mail.yaml": LARGE, "tables/virtual": rows}, "A very large table")
        crasher.succeed("once")
        adopted.start_daemon()
        crasher.host.wait_for(lambda: spares.is_dir() and len(list(spares.iterdir())) == 2, what="the copies")
        adopted.stop_daemon()
        before = consistent(crasher, "lmdb")
        crasher.save("ahead")
        adopted.write_past_hook({"mail.yaml": f"{LARGE}  disable_vrfy_command: yes\n"}, "A setting")
        whole = crasher.run("once")
        assert (whole.status, list(spares.iterdir())) == (0, []), whole.output
        taking = [number for number, effect in enumerate(whole.effects, 1) if effect == "rename"][:2]
        for number, when in ((taking[0], "before"), (taking[1], "before"), (taking[1], "after")):
            crasher.restore()
            assert crasher.run("once", at=number, when=when).status == KILLED, number
            assert consistent(crasher, "lmdb") == before
            again = crasher.run("once")
            assert (again.status, consistent(crasher, "lmdb")) == (0, before), again.output
            crasher.whole_at_last(f"{when} effect {number}")


def test_a_hand_edit_of_a_map_reaches_neither_the_generation_before_nor_the_next_one() -> None:
    rows = "".join(f"user{number:06}@v.test  box{number % 9}@out.test\n" for number in range(150_000))
    with crash_driver() as crasher:
        adopted = crasher.adopted
        adopted.write_past_hook({"mail.yaml": LARGE, "tables/virtual": rows}, "A very large table")
        crasher.succeed("once")
        adopted.start_daemon()
        for answer in ("yes", "no"):
            adopted.write_past_hook({"mail.yaml": f"{LARGE}  disable_vrfy_command: {answer}\n"}, answer)
            adopted.signal_daemon(signal.SIGHUP)
            adopted.wait_for("Applied", adopted.tip())
        adopted.stop_daemon()
        was = adopted.sh("readlink -f /etc/postfix")
        adopted.sh(f"echo 'edited@v.test root' | postmap -i lmdb:{PLACE}")
        assert adopted.sh(f"postmap -q edited@v.test lmdb:{PLACE}") == "root"
        crasher.succeed("once")
        maps = "/var/lib/reconciler/generations/*/postfix/virtual.lmdb"
        asked = f"for map in {maps}; do postmap -q edited@v.test lmdb:${{map%.lmdb}} && echo $map; done; true"
        (edited, where) = adopted.sh(asked).splitlines()
        assert (edited, where) == ("root", f"{was}/virtual.lmdb"), "the one that was live, and no other"
        assert consistent(crasher, "lmdb")
