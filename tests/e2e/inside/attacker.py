"""What a hostile candidate would do: run by the master of a rehearsal, as root, and told through the log.

    attacker.py ...          as master(8) starts its daemons; TARGETS says what is where on the host

Promises: tries everything once, and logs ``attacker: NAME: succeeded`` or why it did not. Raises nothing.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LIBC = ctypes.CDLL(None, use_errno=True)
IPC_RMID = 0
TARGETS = Path("/usr/lib/postfix/targets")


def main() -> None:
    """Try everything."""
    targets = json.loads(TARGETS.read_text())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.connect("/dev/log")
        for name, attack in ATTACKS.items():
            try:
                done = attack(targets)
                told = "succeeded" if done else "in vain"
            except (OSError, ValueError) as error:
                told = repr(error)
            log.send(f"<22>attacker[1]: {name}: {told}".encode())
        caps = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
        log.send(f"<22>attacker[1]: holds {caps.split()[1]}".encode())
    time.sleep(60)  # or master(8) would start the next


def _checked(result: int) -> bool:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True


def _heard(family: int, place: Any, token: str) -> bool:  # noqa: ANN401 - as connect() takes it
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        connection.connect(place)
        return connection.recv(100).decode(errors="replace") == token


def _loopback(told: dict[str, Any]) -> bool:
    return _heard(socket.AF_INET, ("127.0.0.1", told["port"]), told["token"])


def _address(told: dict[str, Any]) -> bool:
    return _heard(socket.AF_INET, (told["address"], told["port"]), told["token"])


def _abstract(told: dict[str, Any]) -> bool:
    return _heard(socket.AF_UNIX, "\0" + told["abstract"], told["token"])


def _path(which: int) -> Callable[[dict[str, Any]], bool]:
    return lambda told: _heard(socket.AF_UNIX, told["sockets"][which], told["token"])


def _queue(told: dict[str, Any]) -> bool:
    return any(told["token"] in file.read_text(errors="replace") for file in _files(Path("/var/spool/postfix")))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _write(told: dict[str, Any]) -> bool:
    for path in map(Path, told["files"]):
        with path.open("a") as stream:
            stream.write("attacked")
    return True


def _in_usr(_: dict[str, Any]) -> bool:
    return Path("/usr/attacked").write_text("attacked") > 0


def _in_etc(_: dict[str, Any]) -> bool:
    """The folder itself and the small files in it are the rehearsal's own, but this is the host's."""
    return Path("/etc/ssl/certs/attacked").write_text("attacked") > 0


def _kill(told: dict[str, Any]) -> bool:
    if Path(f"/proc/{told['pid']}/comm").read_text() != "sleep\n":
        return False
    os.kill(told["pid"], signal.SIGKILL)
    return True


def _memory(told: dict[str, Any]) -> bool:
    return _checked(LIBC.shmctl(_segment(told), IPC_RMID, None))


def _segment(told: dict[str, Any]) -> int:
    number = LIBC.shmget(told["key"], 0, 0)
    _checked(number)
    return int(number)


def _hostname(_: dict[str, Any]) -> bool:
    return _checked(LIBC.sethostname(b"attacked", 8))


def _device(_: dict[str, Any]) -> bool:
    """/dev/zero stands for every device: if one's own node can be opened, any can."""
    path = Path("/tmp/device")
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    with path.open("rb") as stream:
        return len(stream.read(512)) > 0


def _mount(_: dict[str, Any]) -> bool:
    return _checked(LIBC.mount(b"tmpfs", b"/mnt" if Path("/mnt").is_dir() else b"/home", b"tmpfs", 0, None))


def _sysctl(_: dict[str, Any]) -> bool:
    """Opening it is enough: it is the whole machine's."""
    with Path("/proc/sys/kernel/core_pattern").open("r+"):
        return True


ATTACKS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "loopback": _loopback,
    "address": _address,
    "abstract socket": _abstract,
    "socket in run": _path(0),
    "socket in etc": _path(1),
    "socket in usr": _path(2),
    "queue": _queue,
    "files": _write,
    "usr": _in_usr,
    "etc": _in_etc,
    "process": _kill,
    "shared memory": _memory,
    "host name": _hostname,
    "device": _device,
    "mount": _mount,
    "sysctl": _sysctl,
}

if __name__ == "__main__":
    main()
