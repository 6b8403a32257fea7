"""A throw-away host with a state of any size, a name server that knows its names, and the daemon seen from outside."""

from __future__ import annotations

import base64
import io
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.benchmarks.states import KEY, MAIL, Size, address_commands, address_of, state
from tests.e2e.adopted_host import CLONE, REPOSITORY
from tests.e2e.special_hosts import MeasuredHost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.hosts import Host

HERE = Path(__file__).resolve().parent
STEPS_FILE = "/root/steps"
LONG = 1800
"""Seconds that the longest command may take."""
NAMED = """\
options { directory "/tmp"; listen-on { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; pid-file none; };
zone "test" { type primary; file "/tmp/test.zone"; };
zone "64.100.in-addr.arpa" { type primary; file "/tmp/reverse.zone"; };
"""


class SizedHost(MeasuredHost):
    """A host with a state of a size, or these *files*; they are copied in one go, and the first converge is timed.

    It has the addresses and names of one site more.
    """

    def __init__(
        self, size: Size, files: Mapping[str, str] | None = None, settle: str = "0s", settings: str = ""
    ) -> None:
        self.size, self.converged = size, 0.0
        self._files = files or state(size)
        super().__init__(state={"mail.yaml": MAIL}, settle=settle, settings=settings, adopt=False, daemon=False)

    def _prepare(self) -> None:
        files = self._files
        self.host.run("ip", "-batch", "-", input=address_commands(self.size.sites + 1))
        unpack(self.host, "/root/state", {**files, "mail.yaml": MAIL} if self.size.domains else files)
        serve_names(self.host, self.size.sites + 1)
        self.host.run("reconciler", "init", REPOSITORY, "--from", "/root/state", timeout=LONG)
        self.host.run("git", "clone", "--quiet", REPOSITORY, CLONE)
        if self.size.domains:
            key = self.host.run("openssl", "genrsa", "2048").stdout
            self.write_past_hook({"mail.yaml": files["mail.yaml"], **self.seal({KEY: key})})
        began = time.monotonic()
        self.host.run("reconciler", "once", "--adopt", timeout=LONG)
        self.converged = time.monotonic() - began

    def start_timed(self) -> None:
        """Start the daemon with a line in STEPS_FILE for each step that it takes."""
        self.start_daemon(sys.executable, str(HERE / "timed.py"), STEPS_FILE, "run")

    @property
    def process(self) -> psutil.Process:
        """The daemon itself; the process that was started is only the way in."""
        assert self.daemon is not None
        (process,) = psutil.Process(self.daemon.pid).children()
        return process

    def processor_time(self) -> float:
        """Return the seconds of a processor that the daemon and its children have taken so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)

    def settle(self) -> None:
        """Wait until the daemon has done all that comes after a pass."""
        before = -1
        while before != (before := len(self.passes())):
            time.sleep(0.3)


def serve_names(host: Host, sites: int) -> None:
    """Have a name server on a host that knows the names of the sites' addresses, as a host on the Internet has."""
    head = "$TTL 300\n@ SOA ns.test. root.test. 1 3600 600 86400 300\n@ NS ns.test.\n"
    forward = "".join(f"mail.d{number} A {address_of(number)}\n" for number in range(1, sites + 1))
    host.write("/tmp/test.zone", f"{head}ns A 127.0.0.1\n{forward}")
    reverse = (".".join(reversed(address_of(number).split(".")[2:])) for number in range(1, sites + 1))
    pointers = "".join(f"{name} PTR mail.d{number}.test.\n" for number, name in enumerate(reverse, 1))
    host.write("/tmp/reverse.zone", head + pointers)
    host.write("/tmp/named.conf", NAMED)
    host.run("sh", "-c", "rm -f /etc/resolv.conf; echo nameserver 127.0.0.1 >/etc/resolv.conf")
    host.start("sh", "-c", "exec named -g -c /tmp/named.conf 2>/tmp/named.log")
    ready = "grep -q 'all zones loaded' /tmp/named.log"
    host.wait_for(lambda: host.run("sh", "-c", ready, check=False).returncode == 0, what="the name server")


def unpack(host: Host, folder: str, files: Mapping[str, str]) -> None:
    """Write many files below a folder, by one process."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(text.encode()), 0o644, int(time.time()) - 60
            archive.addfile(entry, io.BytesIO(text.encode()))
    script = f"mkdir -p {folder} && cd {folder} && base64 -d | tar -x"
    host.run("sh", "-c", script, input=base64.b64encode(packed.getvalue()).decode())
