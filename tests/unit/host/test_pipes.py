"""Programs that end well, hang, print without end, close their output and go on, or are interrupted."""

from __future__ import annotations

import subprocess
import time
from threading import Event, Timer

import pytest

from reconciler.host.pipes import Interrupted, Limits, TooMuch, exchange

LONG = Limits(60)


def said(script: str, text: bytes = b"", limits: Limits = LONG) -> tuple[bytes, bytes, int | None]:
    """Run a script, and return its output and its status."""
    output: dict[str, bytearray] = {}
    with subprocess.Popen(
        ("sh", "-c", script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            exchange(process, text, limits, output)
        finally:
            process.kill()
    return bytes(output["stdout"]), bytes(output["stderr"]), process.returncode


def test_a_program_reads_all_and_all_that_it_prints_is_read() -> None:
    text = bytes(range(256)) * 20_000
    assert said("cat; echo complaint >&2; exit 3", text) == (text, b"complaint\n", 3)


def test_a_program_that_reads_nothing_may_end() -> None:
    assert said("echo early", b"x" * 1_000_000) == (b"early\n", b"", 0)


@pytest.mark.parametrize("script", ["sleep 60", "exec >&- 2>&-; sleep 60", "sleep 60 & echo held open"])
def test_a_program_that_hangs_has_its_time(script: str) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        said(script, limits=Limits(0.3))
    assert time.monotonic() - began < 20


def test_a_program_may_print_so_much_and_no_more() -> None:
    assert len(said("head -c 100000 /dev/zero", limits=Limits(60, most=100_000))[0]) == 100_000
    with pytest.raises(TooMuch):
        said("cat /dev/zero", limits=Limits(60, most=100_000))


@pytest.mark.parametrize("script", ["sleep 60", "exec >&- 2>&-; sleep 60"])
def test_an_interruption_is_noticed_at_once(script: str) -> None:
    stopped = Event()
    Timer(0.3, stopped.set).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        said(script, limits=Limits(60, stopped.is_set))
    assert time.monotonic() - began < 20
