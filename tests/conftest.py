"""What holds for every test: how tests are spread over processes, and that CI skips none.

With several processes (`-n`), tests that share a host stay in one process, and so do the tests of one file of
tests/unit. Every other test may run in any process. Tests that last long begin first, so that none of them runs alone
at the end. What several processes use and is long in the making, the first one makes for all. In CI a skipped test is a
failure, since everything that the tests need is installed there.
"""

import gc
import os
import re
import tempfile
import zlib
from collections.abc import Collection, Generator, Mapping

import pytest

LONGEST_FIRST = (
    "tests/e2e/recovery/test_troubles.py::test_events_beside_a_trouble_end_as_the_pages_say[PostSRSd",
    "tests/e2e/recovery/test_killed_anywhere.py", "tests/e2e/recovery/test_errors_anywhere.py",
    "tests/e2e/deploy/test_deploy.py::test_install_stops",  # which makes what all other tests of deploy/ then have
    "tests/load/", "tests/benchmarks/", "tests/e2e/deploy/test_package.py", "tests/e2e/deploy/test_install_instance.py",
    "tests/e2e/mail/test_outer_links.py", "tests/e2e/deploy/test_upgrade.py",
)  # fmt: skip
# Then these, in no order, for one folder waits more than another; the short ones of tests/unit fill up the end.
MIXED = (
    "tests/e2e/", "tests/unit/test_corpus_at_size.py", "tests/unit/test_growth.py", "tests/unit/test_expressions.py",
)  # fmt: skip
# Those of them that hardly need a processor and last long; each row is spread, for many at once would leave it idle.
WAITING = (
    "tests/e2e/recovery/test_troubles.py::test_events_beside_a_trouble_end_as_the_pages_say[rspamd",
    "tests/e2e/recovery/test_hanging_programs.py", "tests/e2e/push/test_late_answers.py",
    "tests/e2e/move_in/test_offered", "tests/e2e/push/test_probation_warnings.py", "tests/e2e/push/test_next_start.py",
    "tests/e2e/operator/test_operator.py", "tests/e2e/push/test_many_services.py",
    "tests/e2e/recovery/test_troubles.py::test_events_beside_a_trouble_end_as_the_pages_say[A policy server",
    "tests/e2e/push/test_daemon_wakes.py", "tests/e2e/recovery/test_damage.py", "tests/e2e/move_in/test_offers.py",
    "tests/e2e/recovery/test_troubles.py::test_events_beside_a_trouble_end_as_the_pages_say[The server of a table",
    "tests/e2e/drift/test_drift.py",
)  # fmt: skip
SPREAD = 0.8  # of the others: when those end, none that lasts long has just begun


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of what the run's processes make once for all of them (tests/e2e/kept.py)."""
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        folder = tempfile.TemporaryDirectory()
        os.environ["TESTS_KEEP"] = folder.name
        config.add_cleanup(folder.cleanup)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without garbage collections: what is collected stays, and each would look at all of it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Group the tests that share something, and sort what lasts long to the front.

    Around all other hooks, for pytest-xdist reads the groups first of all.
    """
    scopes = dict[str, str]()
    for item in items:
        if group := _shared(item):
            item.add_marker(pytest.mark.xdist_group(group))
        scopes[item.nodeid] = group or item.nodeid
    turns = _turns_of_waiting(dict.fromkeys(scopes.values()))
    items.sort(key=lambda item: _turn(item, scopes[item.nodeid], turns))
    return (yield)


def _turns_of_waiting(scopes: Collection[str]) -> dict[str, float]:
    """Return when the tests that wait are to begin: those of a row one after the other, each row a little later.

    A scope is a file whose tests run in one process, or a test by itself.
    """
    turns = dict[str, float]()
    for number, place in enumerate(WAITING):
        row = [scope for scope in scopes if scope.startswith(place)]
        turns |= {scope: SPREAD * (at + number / len(WAITING)) / len(row) for at, scope in enumerate(row)}
    return turns


def _turn(item: pytest.Item, scope: str, turns: Mapping[str, float]) -> float:
    """Return when a test is to begin, as a number; *turns* are those of the tests that wait."""
    for number, place in enumerate(LONGEST_FIRST):
        if item.nodeid.startswith(place):
            return number - len(LONGEST_FIRST)
    return turns.get(scope, _at_random(scope)) if scope.startswith(MIXED) else 1


def _at_random(scope: str) -> float:
    """Return a number from 0 to 1 that is the same in each process."""
    return zlib.crc32(scope.encode()) / (1 << 32)


def _shared(item: pytest.Item) -> str:
    """Return the file whose tests must stay together with this one; empty where the test shares nothing."""
    file = item.nodeid.partition("::")[0]
    fixtures = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009 - there is no public way to ask
    shares = any(definition.scope == "module" for definitions in fixtures for definition in definitions)
    return file if shares or file.startswith("tests/unit/") else ""


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Spare later garbage collections, at the end of a file, what unit tests leave: caches of thousands of sites."""
    if item.nodeid.startswith("tests/unit/") and (nextitem is None or nextitem.path != item.path):
        gc.freeze()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a parameter in PEM by what it holds: a key that was just made has another text in each process."""
    if not isinstance(val, bytes | str):  # whose name has nothing of its value
        return None
    text = val.decode("latin-1") if isinstance(val, bytes) else val
    return " + ".join(re.findall(r"-----BEGIN ([A-Z ]+)-----", text)) or None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where CI=true; an expected failure stays one."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
