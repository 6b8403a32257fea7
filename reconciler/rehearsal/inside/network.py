"""The other network of a rehearsal and the wire to it; the host's addresses and routes are set up when they are known.

Raises OSError when this kernel can't make a network or the wire, and TimeoutExpired when ip(8) does not end.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
NEAR, FAR = "eth0", "world"
LINK_OF = {NEAR: "02:00:00:00:00:01", FAR: "02:00:00:00:00:02"}
"""The two ends of the wire, each with its link address."""
_NEWNET = 0x40000000


class Network:
    """The other network: the one thread that lives there opens the sockets, and any thread may use them."""

    def __init__(self) -> None:
        self._inside = ThreadPoolExecutor(1, "world")
        peer = f"type veth peer name {FAR} address {LINK_OF[FAR]} netns {self.there(_moved)}"
        _ip([f"link add {NEAR} address {LINK_OF[NEAR]} {peer}", *_up(NEAR)])
        self.there(lambda: _ip(_up(FAR)))

    def there(self, call: Callable[[], T]) -> T:
        """Do something in the network: a socket belongs to the network of the thread that opens it."""
        return self._inside.submit(call).result()

    def set_up(self, near: list[str], far: list[str]) -> None:
        """Have ip(8) do these lines on both sides of the wire, at the same time."""
        beyond = self._inside.submit(_ip, far)
        _ip(near)
        beyond.result()


def _moved() -> int:
    """Move this one thread to a network of its own; return its number."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare the network")
    return threading.get_native_id()


def _up(link: str) -> list[str]:
    """Return what brings a side of the wire up, without an address."""
    return ["link set lo up", f"link set {link} addrgenmode none", f"link set {link} up"]


def _ip(lines: list[str]) -> None:
    """Have ip(8) do all of it; a line that this kernel can't do (no IPv6) is left out, no wire at all is an error."""
    done = subprocess.run(
        ["/bin/ip", "-force", "-batch", "-"],
        input="\n".join(lines).encode(),
        capture_output=True,
        check=False,
        timeout=10,
    )
    text = done.stderr.decode(errors="replace").strip(" \n")
    failed = re.findall(r"Command failed -:(\d+)", text, re.ASCII)
    if done.returncode and not failed:
        raise OSError(f"ip ends with status {done.returncode}: {text}")
    for line in failed:
        if lines[int(line) - 1].startswith("link"):
            raise OSError(f"ip {lines[int(line) - 1]}: {text}")
