"""What depends on the host's addresses is read again once one came or went, and only then."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from reconciler.host.address_news import UntilNews

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = "from reconciler.host.addresses import own; print([str(one.ip) for one in own()], flush=True)"
SEEN = f"""\
import subprocess
{NOW}
for change in ("add", "del"):
    subprocess.run(["ip", "addr", change, "198.51.100.7/32", "dev", "lo"], check=True)
    {NOW}
"""

# The child closes all that was open, as a daemon does, and its next file has the number of the socket.
FORKED = f"""\
import ctypes, os, subprocess
{NOW}
if not os.fork():
    os.closerange(3, 100)
    number = os.open("/", os.O_RDONLY)
    assert not ctypes.CDLL(None).unshare(0x40000000)
    subprocess.run(["ip", "addr", "add", "198.51.100.7/32", "dev", "lo"], check=True)
    {NOW}
    os.fstat(number)
else:
    assert os.wait()[1] == 0
    {NOW}
"""


class Kernel:
    """Says what a test has it say, and counts how often the value was read."""

    def __init__(self) -> None:
        self.value = [1, 2]
        self.read = self.subscribed = 0
        self.ours: list[socket.socket] = []
        self.theirs: list[socket.socket] = []

    def __call__(self) -> tuple[int, ...]:
        """Return the value."""
        self.read += 1
        return tuple(self.value)

    def subscribe(self) -> socket.socket:
        """Return a socket that say() writes to."""
        self.subscribed += 1
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        theirs.setblocking(False)
        self.ours.append(ours)
        self.theirs.append(theirs)
        return theirs

    def say(self) -> None:
        """Tell that an address came or went."""
        self.ours[-1].send(b"news")


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    made = Kernel()
    yield made
    for one in (*made.ours, *made.theirs):
        one.close()


def test_a_value_is_read_again_after_news_and_only_then(kernel: Kernel) -> None:
    value = UntilNews(kernel, kernel.subscribe)
    assert [value(), value(), kernel.read] == [(1, 2), (1, 2), 1]
    kernel.value = [1, 2, 3]
    kernel.say()
    kernel.say()
    assert [value(), value(), kernel.read] == [(1, 2, 3), (1, 2, 3), 2]


def test_an_equal_value_stays_the_same_object(kernel: Kernel) -> None:
    value = UntilNews(kernel, kernel.subscribe)
    before = value()
    kernel.say()
    assert value() is before
    assert kernel.read == 2


def test_after_a_look_that_failed_the_value_is_read_and_followed_anew(kernel: Kernel) -> None:
    value = UntilNews(kernel, kernel.subscribe)
    value()
    kernel.value = [3]
    kernel.theirs[-1].close()
    assert value() == (3,)
    kernel.value = [4]
    assert [value(), value(), kernel.subscribed, kernel.read] == [(4,), (4,), 2, 3]


def test_without_netlink_the_value_is_read_each_time(kernel: Kernel) -> None:
    def refused() -> socket.socket:
        raise PermissionError("no netlink")

    value = UntilNews(kernel, refused)
    assert [value(), value(), kernel.read] == [(1, 2), (1, 2), 2]


def test_a_value_that_could_not_be_read_is_read_at_the_next_look(kernel: Kernel) -> None:
    failing = [OSError("no memory")]

    def read() -> tuple[int, ...]:
        if failing:
            raise failing.pop()
        return kernel()

    value = UntilNews(read, kernel.subscribe)
    with pytest.raises(OSError, match="no memory"):
        value()
    assert value() == (1, 2)


def test_a_forked_process_follows_its_own_addresses_and_leaves_the_socket_alone() -> None:
    alone = ("unshare", "--net", sys.executable, "-c", FORKED)
    shown = subprocess.run(alone, capture_output=True, text=True, check=True).stdout
    assert [("198.51.100.7" in line) for line in shown.splitlines()] == [False, True, False]


def test_the_kernel_says_when_an_address_comes_and_goes() -> None:
    alone = ("unshare", "--net", sys.executable, "-c", SEEN)
    shown = subprocess.run(alone, capture_output=True, text=True, check=True).stdout
    assert [("198.51.100.7" in line) for line in shown.splitlines()] == [False, True, False]
