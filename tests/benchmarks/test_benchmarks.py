"""The benchmark works: it measures, and everything it prints fits a terminal. Nothing here is said about times."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from tests.benchmarks.figures import ENTRY, LESS, MORE, PARAMETER, Figures, Taken, lines, markdown
from tests.benchmarks.sized_host import STEPS_FILE, SizedHost
from tests.benchmarks.states import Size
from tests.e2e.adopted_host import CLONE
from tests.e2e.hosts import CHECKOUT, missing

CHANGES = (PARAMETER, ENTRY, MORE, LESS)


def test_the_benchmark_measures_and_prints_80_columns() -> None:
    if lacking := missing():
        pytest.fail(f"the benchmark needs {', '.join(lacking)}: run tests/run as root", pytrace=False)
    argv = (sys.executable, "-m", "tests.benchmarks", "--rounds", "1", "--idle", "1", "--entries", "20", "200")
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.splitlines()
    assert sum(line.startswith("  reconciler, ") for line in told) == 6
    assert "one entry among 200" in told
    assert max(map(len, told)) <= 80


def test_pushes_are_measured_from_git_push_on_at_any_size() -> None:
    sizes = ("--sites", "3", "--entries", "--flows", "--domains", "2")
    argv = (sys.executable, "-m", "tests.benchmarks", "sizes", "--rounds", "1", "--ahead", "30", *sizes)
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.splitlines()
    assert [line for line in told if not line.startswith(" ")][:2] == ["3 sites", "2 domains"]
    assert sum(line.startswith("  one site more") for line in told) == 1
    assert sum(line.startswith("  30 commits ahead") for line in told) == 2
    assert "rehearse" in done.stdout
    assert sum(" MiB at rest, " in line for line in told) == 2
    assert max(map(len, told)) <= 80


def figures(sites: int, seconds: float) -> Figures:
    """Return the figures of a size at which each push takes so long, beside a floor of 0.2 s."""
    ours, floor = ({change: Taken([taken], [taken]) for change in CHANGES} for taken in (seconds, 0.2))
    steps = {change: {"load": 0.1, "rehearse": 0.3} for change in CHANGES}
    return Figures(Size(sites=sites), 5 * seconds, ours, floor, steps, 0.01, 90.0, 100.0, 200.0, 50.0)


def test_the_growth_with_the_number_of_sites_is_told() -> None:
    measured = [figures(10, 0.4), figures(2000, 0.5)]
    told = {
        "one site more, 2,000 sites: 1.25 times 10 sites, of 1.5",
        "one site less, 2,000 sites: 2.50 times the floor at 10 sites, of 3",
        "first converge, 2,000 sites: 5.00 times one push, of 30",
        "the daemon at rest, 2,000 sites: 90.0 MiB, of 80",
    }
    assert told <= set(lines(measured))
    assert max(map(len, lines(measured))) <= 80
    assert {f"| {line.replace(': ', ' | ', 1)} |" for line in told} <= set(markdown(measured))


def test_a_push_is_judged_and_rehearsed_once() -> None:
    with SizedHost(Size(entries=20)) as ours:
        ours.start_timed()
        ours.settle()
        for banner in ("first", "second"):
            ours.host.run("sh", "-c", f": >{STEPS_FILE}")
            oid = ours.commit({"mail.yaml": ours.size.mail.replace("bench-0", banner)}, banner)
            ours.host.run("git", "-C", CLONE, "push", "-q", "origin", "HEAD:main")
            ours.wait_for("Applied", oid)
            ours.settle()
            steps = Counter(json.loads(line)["step"] for line in ours.host.read(STEPS_FILE).splitlines())
            assert [steps[one] for one in ("load", "lint", "compile", "rehearse", "swap and verify")] == [1] * 5, banner


def test_the_floor_is_a_script_of_under_25_lines() -> None:
    text = (CHECKOUT / "tests/benchmarks/floor.sh").read_text()
    assert len(text.splitlines()) < 25
    assert "sleep " not in text
