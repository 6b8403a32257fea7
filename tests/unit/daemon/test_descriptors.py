"""Descriptors that end a sleep: readable once a process has ended, and closed afterwards."""

import os
import select
import subprocess

import pytest

from reconciler.daemon.descriptors import Descriptor, Ends


def test_the_end_of_any_process_ends_the_sleep() -> None:
    with subprocess.Popen(["sleep", "60"]) as first, subprocess.Popen(["sleep", "60"]) as second:
        with Ends([first.pid, second.pid]) as numbers:
            assert select.select(numbers, [], [], 0)[0] == []
            second.kill()
            assert select.select(numbers, [], [], 10)[0] == [numbers[1]]
        for number in numbers:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(number)
        first.kill()


def test_a_process_that_has_ended_already_is_passed_over() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()

    with Ends([ended.pid]) as numbers:
        assert numbers == []


def test_a_descriptor_is_closed_at_the_end_and_none_is_none() -> None:
    reading, writing = os.pipe()
    with Descriptor(reading) as number:
        assert number == reading
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)
    os.close(writing)
    with Descriptor(None) as number:
        assert number is None
