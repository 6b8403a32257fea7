"""A map that is changed equals one that is compiled, whatever the two sources are; else it is compiled."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply.live_maps import key_changes, made_from_live
from reconciler.host.effects import Completed, Host
from reconciler.model import File, Table
from reconciler.postfix import table_changes
from reconciler.postfix.tables import Entries, count_entries
from reconciler.state.digests import Digests
from reconciler.state.live_files import LiveFiles
from reconciler.state.manifest import FileRecord, Generation, digest
from reconciler.state.source import Source, SourceKind
from reconciler.state.spares import Spares

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def table(source: bytes, kind: str = "hash", compiler: str = "postmap") -> Table:
    return Table(name="virtual", type=kind, source=source, file="tables/virtual", compiler=compiler)


def compiled(source: bytes) -> dict[str, str]:
    """Return the map of a source as postmap(1) makes it: keys folded, and the first of two."""
    return {entry.key.lower(): entry.value for entry in reversed(list(Entries(table(source))))}


class Maps(Host):
    """Has a postmap whose maps are text files of ``key TAB value`` lines."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, argv: Sequence[str], *, input: bytes | None = None, **_: object) -> Completed:  # noqa: A002
        """Do what postmap does with the options -d, -i, -s and -q."""
        words = [word for word in argv if word not in {"setpriv", "--pdeathsig", "KILL", "--"}]
        option, path = words[3], self.folder / "virtual.db"
        self.asked.append(option)
        held = dict(line.split("\t") for line in path.read_text().splitlines())
        given = (input or b"").decode().splitlines()
        shown = ""
        if option == "-d":
            held = {key: value for key, value in held.items() if key not in {line.lower() for line in given}}
        elif option == "-i":
            held |= {key.lower(): value.rstrip() for key, value in (line.split(None, 1) for line in given)}
        else:
            wanted = given if option == "-q" else list(held)
            shown = "".join(f"{key}\t{held[key.lower()]}\n" for key in wanted if key.lower() in held)
        path.write_text("".join(f"{key}\t{value}\n" for key, value in held.items()))
        return Completed(tuple(words), 0, shown, "")

    folder: Path


def made(tmp_path: Path, old: bytes, new: Table, host: Maps, map_of_old: dict[str, str] | None = None) -> bool:
    """Return whether the map of a new source is made from that of an old one, in tmp_path/new."""
    live, stage = tmp_path / "1-a" / "postfix", tmp_path / "new"
    for folder in (live, stage):
        folder.mkdir(parents=True, exist_ok=True)
    (live / "virtual").write_bytes(old)
    held = compiled(old) if map_of_old is None else map_of_old
    (live / "virtual.db").write_text("".join(f"{key}\t{value}\n" for key, value in held.items()))
    file = File.of(old, compiled="postmap hash")
    records = {
        "virtual": FileRecord(0o644, "root:root", file.digest, "postmap hash"),
        "virtual.db": FileRecord(0o644, "root:root", digest(live / "virtual.db"), made_from="virtual"),
    }
    generation = Generation(1, live.parent, "a" * 40, Source(SourceKind.COMMIT), records)
    host.folder = stage
    source = File.of(new.source, compiled=f"{new.compiler} {new.type}")
    digests = Digests()
    spares = Spares(tmp_path / "spares", host, digests)
    return made_from_live(new, source, LiveFiles(generation, host, digests, spares), stage)


def map_in(tmp_path: Path) -> dict[str, str]:
    return dict(line.split("\t") for line in (tmp_path / "new/virtual.db").read_text().splitlines())


ROWS = st.builds(
    "{}@v.example{}{}".format,
    st.sampled_from("abcDdE"),
    st.sampled_from([" ", "\t "]),
    st.sampled_from(["x", "y", "z "]),
)
SOURCES = st.lists(st.one_of(ROWS, ROWS, st.sampled_from(["", "# c", "novalue"])), max_size=9).map(
    lambda rows: "".join(f"{row}\n" for row in rows).encode()
)


@given(SOURCES, SOURCES)
def test_with_as_many_entries_as_lines_the_changed_map_is_the_compiled_one(old: bytes, new: bytes) -> None:
    filler = b"".join(b"k%04d a\n" % number for number in range(400))
    changes = key_changes(filler + old, table(filler + new))
    if changes is None:
        return
    held = {key: value for key, value in compiled(filler + old).items() if key not in changes.deleted}
    held |= changes.values
    if len(held) == count_entries(filler + new):
        assert held == compiled(filler + new)


BASE = b"".join(b"user%05d@v.example  box%d@out.example\n" % (number, number % 9) for number in range(9_000))


def edited(rows: list[bytes], choose: random.Random) -> list[bytes]:
    """Return rows with some added, changed and removed."""
    rows = list(rows)
    for _ in range(choose.randrange(1, 6)):
        place = choose.randrange(len(rows))
        new = b"New%d@v.example  other@out.example" % choose.randrange(10**6)
        rows[place : place + choose.randrange(2)] = [new] * choose.randrange(2)
    rows[choose.randrange(len(rows))] += b"s"
    return rows


@pytest.mark.parametrize("seed", range(10))
def test_a_map_made_from_the_live_one_is_the_compiled_one(tmp_path: Path, seed: int) -> None:
    host, new = Maps(), b"\n".join(edited(BASE.split(b"\n")[:-1], random.Random(seed))) + b"\n"
    assert made(tmp_path, BASE, table(new), host)
    assert map_in(tmp_path) == compiled(new)
    assert set(host.asked) <= {"-d", "-i", "-s", "-q"}


def test_what_did_not_change_is_a_copy(tmp_path: Path) -> None:
    host = Maps()
    assert made(tmp_path, BASE, table(BASE), host)
    assert (map_in(tmp_path), host.asked) == (compiled(BASE), [])


TWICE = BASE + b"user00000@v.example  second\n"
BETTER_COMPILED = {
    "a small table": (b"a b\n", b"a c\n"),
    "much of it": (BASE, BASE.replace(b"box1@", b"box11@")),
    "a continued line": (BASE, BASE + b"a@v.example b,\n  c\n"),
    "a quoted key": (BASE, BASE + b'"a b"@v.example b\n'),
    "a key that is not ASCII": (BASE, BASE + "jörg@v.example b\n".encode()),
    "a line without a value": (BASE, BASE + b"a@v.example\n"),
    "a key twice in the new source": (BASE, TWICE),
    "a key twice in the new source, in another case": (BASE, BASE + b"USER00000@v.example  second\n"),
    "a new key twice": (BASE, BASE + b"new@v.example  a\nnew@v.example  b\n"),
    "a key twice in the old source": (TWICE, BASE.partition(b"\n")[2] + b"user00000@v.example  second\n"),
}


@pytest.mark.parametrize("case", BETTER_COMPILED)
def test_else_it_is_compiled_and_no_copy_is_left(tmp_path: Path, case: str) -> None:
    old, new = BETTER_COMPILED[case]
    assert not made(tmp_path, old, table(new), Maps())
    assert not (tmp_path / "new/virtual.db").exists()


@pytest.mark.parametrize(("kind", "compiler"), [("cdb", "postmap"), ("hash", "postalias")])
def test_a_type_that_can_not_be_changed_is_compiled(tmp_path: Path, kind: str, compiler: str) -> None:
    assert not made(tmp_path, BASE, table(BASE + b"new@v.example  a\n", kind, compiler), Maps())


def test_a_map_that_lost_an_entry_is_compiled(tmp_path: Path) -> None:
    held = compiled(BASE)
    held.pop("user00007@v.example")
    assert not made(tmp_path, BASE, table(BASE + b"new@v.example  a\n"), Maps(), held)
    assert not (tmp_path / "new/virtual.db").exists()


def test_a_table_that_grows_costs_no_more_objects_for_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[int] = []

    def counted(old: bytes, new: bytes, most: int) -> object:
        found = real(old, new, most)
        lines.append(sum(map(len, found or ())))
        return found

    real = table_changes.changed
    monkeypatch.setattr("reconciler.apply.live_maps.changed", counted)
    for times in (1, 4):
        source = b"".join(b"t%d" % time + BASE for time in range(times))
        assert key_changes(source, table(source + b"new@v.example  a\n"))
    assert lines == [1, 1]
