"""How many lines an offer saves, and whether other hosts read the commit too."""

from __future__ import annotations

from reconciler.desired.offers.offer import is_shared, plural, saved
from reconciler.model import File


def test_lines_count_in_all_files_but_not_in_sealed_secrets() -> None:
    before = {"mail.yaml": File.of(b"a\nb\nc\n"), "tables/x.hash": File.of(b"1\n")}

    after = {"mail.yaml": b"a\n", "tables/x.hash": None, "tables/x": b"1\n", "secrets/s.age": b"\n\n"}

    assert saved(before, after) == 2


def test_a_commit_with_a_file_for_a_host_is_shared() -> None:
    alone = {"mail.yaml": File.of(b"hostname: a.example\n")}

    assert not is_shared(alone)
    assert is_shared({**alone, "hosts/mx2.yaml": File.of(b"hostname: b.example\n")})


def test_one_is_not_a_plural() -> None:
    assert (plural(1, "line"), plural(2, "line"), plural(0, "line")) == ("1 line", "2 lines", "0 lines")
