"""Links outside of Postfix's folder: made, led, given back byte for byte, and repeated after a kill at any effect."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Host
from reconciler.model import File, Tree
from reconciler.state.generations import Generations
from reconciler.state.source import Source, SourceKind

if TYPE_CHECKING:
    from reconciler.state.manifest import Generation

BASE: Tree = {"main.cf": File.of(b"a = 1\n"), "master.cf": File.of(b"x\n")}


class Killed(BaseException):
    """The end of the process before an effect."""


class Mortal(Host):
    """A host on which the process is killed before an effect, counted from *lives* down."""

    lives = -1

    def before(self, what: str) -> None:  # noqa: ARG002 - each kind counts
        """Die, or live on."""
        if self.lives == 0:
            raise Killed
        self.lives -= 1


class Place:
    """An adopted folder, and a folder beside it that other programs read."""

    def __init__(self, folder: Path) -> None:
        live = folder / "etc" / "postfix"
        live.mkdir(parents=True)
        (live / "main.cf").write_text("old = 1\n")
        (live / "master.cf").write_text("old\n")
        self.link = folder / "etc" / "policyd" / "rules.conf"
        self.link.parent.mkdir()
        self.host = Mortal()
        self.generations = Generations(folder / "state", live, self.host, folder / "backup")
        self.generations.prepare()
        self.generations.adopt()

    def with_rules(self, text: str, path: str = "policyd/rules.conf") -> Tree:
        """A target with a file of that text, and the link to it."""
        return {**BASE, path: File.of(text.encode(), link=str(self.link))}

    def made(self, target: Tree) -> Generation:
        """A generation of a target that is not live."""
        stage = self.generations.stage(target, "pass", 1_000_000_000.0)
        return self.generations.place(stage, target, "a" * 40, Source(SourceKind.COMMIT, name="aaaaaaa"))

    def goes_live(self, target: Tree) -> Generation:
        """Make a target live as apply() does, but for Postfix."""
        before, after = self.live, self.made(target)
        self.generations.outer_links.prepare(before, after)
        self.generations.switch(after)
        return after

    @property
    def live(self) -> Generation:
        """The live generation."""
        found = self.generations.live()
        assert found
        return found

    @property
    def there(self) -> tuple[bytes, int, bool]:
        """What a program reads at the place, with which mode, and whether that is a link."""
        status = self.link.stat()
        return self.link.read_bytes(), status.st_mode & 0o7777, self.link.is_symlink()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_link_leads_to_the_live_file_through_the_one_link_that_a_swap_renames(place: Place) -> None:
    place.goes_live(place.with_rules("first\n"))
    first = place.link.readlink()
    place.goes_live(place.with_rules("second\n"))

    assert place.link.readlink() == first == place.generations.link / "policyd/rules.conf"
    assert place.there == (b"second\n", 0o644, True)
    assert place.generations.drift() == ()
    assert place.generations.read()["policyd/rules.conf"].link == str(place.link)


def test_what_the_host_had_there_comes_back_with_mode_owner_and_time(place: Place) -> None:
    place.link.write_text("the host's\n")
    place.link.chmod(0o640)
    os.chown(place.link, 0, 7)
    os.utime(place.link, (5e8, 5e8))
    before = place.link.stat()

    place.goes_live(place.with_rules("first\n"))
    kept = place.generations.state / "rescue/outside"
    assert kept.stat().st_mode & 0o7777 == 0o700
    place.goes_live(BASE)

    after = place.link.lstat()
    assert place.link.read_text() == "the host's\n"
    assert [(one.st_mode, one.st_uid, one.st_gid, one.st_mtime) for one in (before, after)] == [
        (after.st_mode, 0, 7, 5e8)
    ] * 2
    assert not kept.exists()
    assert place.generations.drift() == ()


def test_a_link_of_the_host_comes_back_as_a_link(place: Place) -> None:
    place.link.symlink_to("elsewhere")
    place.goes_live(place.with_rules("first\n"))
    place.goes_live(BASE)

    assert str(place.link.readlink()) == "elsewhere"


def test_where_nothing_was_nothing_stays(place: Place) -> None:
    place.goes_live(place.with_rules("first\n"))
    assert place.generations.outer_links.brought(place.live) == [str(place.link)]
    place.goes_live(BASE)

    assert not os.path.lexists(place.link)


def test_a_link_that_comes_or_goes_never_leads_nowhere(place: Place) -> None:
    before, after = place.live, place.made(place.with_rules("first\n"))
    place.generations.outer_links.prepare(before, after)
    assert place.there[0] == b"first\n"
    place.generations.switch(after)
    assert place.there[0] == b"first\n"

    gone = place.made(BASE)
    place.generations.outer_links.prepare(after, gone)
    place.host.symlink(place.generations.link, Path("..") / "generations" / gone.path.name / "postfix")
    assert place.there[0] == b"first\n"
    place.generations.outer_links.settle(gone)
    assert not os.path.lexists(place.link)


def test_a_link_to_another_file_of_the_commit_is_led_there(place: Place) -> None:
    place.goes_live(place.with_rules("first\n"))
    place.goes_live(place.with_rules("other\n", "other.conf"))

    assert place.there == (b"other\n", 0o644, True)
    assert place.generations.drift() == ()


@pytest.mark.parametrize("comes", [True, False], ids=["comes", "goes"])
def test_killed_at_any_effect_the_next_pass_leaves_old_or_new_whole(tmp_path: Path, comes: bool) -> None:
    for number in range(1000):
        place = Place(tmp_path / str(number))
        place.link.write_text("the host's\n")
        before = place.live if comes else place.goes_live(place.with_rules("first\n"))
        after = place.made(place.with_rules("first\n") if comes else BASE)
        place.host.lives = number
        try:
            place.generations.outer_links.prepare(before, after)
            place.generations.switch(after)
        except Killed:
            place.host.lives = -1
            place.generations.switch(before)  # as recovery does
            assert place.there == ((b"the host's\n", 0o644, False) if comes else (b"first\n", 0o644, True)), number
            assert place.generations.drift() == ()
            assert [path.name for path in place.link.parent.iterdir()] == [place.link.name]
        else:
            break
    assert number > 3, "each effect was tried"


def test_what_replaced_a_link_is_an_edit_of_its_file(place: Place) -> None:
    generation = place.goes_live(place.with_rules("first\n"))
    place.link.unlink()
    place.link.write_text("edited\n")
    assert place.generations.drift() == (str(place.link),)

    place.generations.outer_links.bring_in(generation)

    assert place.there == (b"edited\n", 0o644, True)
    assert place.generations.drift() == ("policyd/rules.conf",)


@pytest.mark.parametrize("edit", ["removed", "led elsewhere"])
def test_a_link_that_was_edited_is_drift_and_comes_back(place: Place, edit: str) -> None:
    place.goes_live(place.with_rules("first\n"))
    place.link.unlink()
    if edit == "led elsewhere":
        place.link.symlink_to("/etc/hostname")
    assert place.generations.drift() == (str(place.link),)

    place.goes_live(place.with_rules("first\n"))

    assert place.there == (b"first\n", 0o644, True)
    assert place.generations.drift() == ()


def test_the_host_s_file_comes_back_although_the_link_was_edited(place: Place) -> None:
    place.link.write_text("the host's\n")
    place.goes_live(place.with_rules("first\n"))
    place.link.unlink()
    place.link.write_text("edited\n")

    place.goes_live(BASE)

    assert place.there == (b"the host's\n", 0o644, False)


def test_a_folder_that_is_gone_stops_no_swap_and_is_drift(place: Place) -> None:
    place.goes_live(place.with_rules("first\n"))
    place.link.unlink()
    place.link.parent.rmdir()

    place.generations.switch(place.made(place.with_rules("second\n")))
    assert place.generations.drift() == (str(place.link),)

    place.goes_live(BASE)
    assert place.generations.drift() == ()


def test_a_folder_that_is_missing_refuses_a_new_link_before_the_swap(place: Place) -> None:
    place.link.parent.rmdir()

    with pytest.raises(FileNotFoundError):
        place.goes_live(place.with_rules("first\n"))


def test_whoever_leaves_reconciler_keeps_the_files(place: Place) -> None:
    place.link.write_text("the host's\n")
    target = {**BASE, "policyd/rules.conf": File.of(b"ours\n", 0o640, link=str(place.link))}
    place.goes_live(target)

    place.generations.release()

    assert place.there == (b"ours\n", 0o640, False)
    assert not (place.generations.state / "rescue/outside").exists()


def test_whoever_leaves_without_the_file_keeps_no_link_to_it(place: Place) -> None:
    place.goes_live(place.with_rules("first\n"))
    (place.generations.config_directory / "policyd/rules.conf").unlink()

    place.generations.release()

    assert not os.path.lexists(place.link)


def test_a_record_that_is_damaged_is_made_anew(place: Place) -> None:
    place.link.write_text("the host's\n")
    place.goes_live(place.with_rules("first\n"))
    (place.generations.state / "rescue/outside/links.json").write_text("{")

    place.goes_live(place.with_rules("second\n"))
    place.goes_live(BASE)

    assert place.there == (b"the host's\n", 0o644, False)
