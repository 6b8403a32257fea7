"""The other network of a rehearsal and the wire to it; the host's addresses and routes are set up when they are known.

Raises OSError when this kernel can't make a network or the wire, and TimeoutExpired when ip(8) does not end.
"""

from __future__ import annotations

import ctypes
import queue
import re
import subprocess
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = queue.SimpleQueue[Any]

NEAR, FAR = "eth0", "world"
LINK_OF = {NEAR: "02:00:00:00:00:01", FAR: "02:00:00:00:00:02"}
"""The two ends of the wire, each with its link address."""
_NEWNET = 0x40000000


class Network:
    """The other network: a thread that lives there opens the sockets, and any thread may use them."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[tuple[Callable[[], Any], Answer]] = queue.SimpleQueue()
        entered: Answer = queue.SimpleQueue()
        threading.Thread(target=self._live, args=(entered,), name="world", daemon=True).start()
        there: int = _result(entered)
        peer = f"type veth peer name {FAR} address {LINK_OF[FAR]} netns {there}"
        _ip([f"link add {NEAR} address {LINK_OF[NEAR]} {peer}", *_up(NEAR)])
        self.there(lambda: _ip(_up(FAR)))

    def _live(self, entered: Answer) -> None:
        """Move this one thread to a network of its own, tell its number, and do there what others ask for."""
        if ctypes.CDLL(None, use_errno=True).unshare(_NEWNET):
            entered.put(OSError(ctypes.get_errno(), "unshare the network"))
            return
        entered.put(threading.get_native_id())
        while True:
            call, answer = self._asked.get()
            try:
                answer.put(call())
            except (OSError, subprocess.TimeoutExpired) as error:  # for who waits for the answer
                answer.put(error)

    def there(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it returns
        """Do something in the network: a socket belongs to the network of the thread that opens it."""
        return _result(self._begun(call))

    def set_up(self, near: list[str], far: list[str]) -> None:
        """Have ip(8) do these lines on both sides of the wire, at the same time."""
        beyond = self._begun(lambda: _ip(far))
        _ip(near)
        _result(beyond)

    def _begun(self, call: Callable[[], Any]) -> Answer:
        answer: Answer = queue.SimpleQueue()
        self._asked.put((call, answer))
        return answer


def _result(answer: Answer) -> Any:  # noqa: ANN401 - whatever was returned there
    result = answer.get()
    if isinstance(result, Exception):
        raise result
    return result


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
