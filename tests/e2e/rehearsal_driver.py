"""Asks a throw-away host for rehearsals: desired states without the rules that would refuse them earlier.

Each is held by a process of its own: one that begins from nothing, or, on a host that serves, a copy of one that has
done its imports, which take longer than a rehearsal.
"""

from __future__ import annotations

import json
import socket
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.e2e.hosts import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.hosts import Host

BASE = {"mydestination": "mx1.example.com, localhost", "mynetworks": "127.0.0.0/8"}
ENVIRONMENT = {"PYTHONPATH": str(CHECKOUT)}
REHEARSING = (sys.executable, CHECKOUT / "tests/e2e/inside/rehearse.py")
SERVER = "run/rehearsing.sock"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a rehearsal found, by lines, what happened in it, and why none could be held, if none could."""

    findings: list[str]
    report: dict[str, Any]
    trouble: str

    @property
    def log(self) -> str:
        """What Postfix logged."""
        return "\n".join(self.report["log"])


def state(parameters: dict[str, str] | None = None, files: dict[str, str] | None = None, **more: Any) -> dict[str, str]:  # noqa: ANN401 - sections
    """The files of a small healthy state with some parameters, files and sections of mail.yaml changed."""
    mail = {"hostname": "mx1.example.com", "parameters": BASE | (parameters or {}), **more}
    return {"mail.yaml": json.dumps(mail, indent=1)} | (files or {})


def asked(files: dict[str, str], **replaced: object) -> str:
    """What to tell inside/rehearse.py."""
    return json.dumps({"files": files, **replaced})


def serve(host: Host) -> None:
    """Have the host hold what is rehearsed from now on without importing everything each time."""
    host.start(*REHEARSING, f"/{SERVER}", env=ENVIRONMENT)
    host.wait_for((host.root / SERVER).exists, what="the server of rehearsals")


def rehearsed(host: Host, files: dict[str, str], **replaced: object) -> Rehearsed:
    """Rehearse the state with the real programs."""
    request, place = asked(files, **replaced), host.root / SERVER
    told = json.loads(_answer(place, request) if place.exists() else _output(host, request))
    assert "failed" not in told, told["failed"]
    return Rehearsed(told.get("findings", []), told.get("report", {}), told.get("trouble", ""))


def _output(host: Host, request: str) -> str:
    return host.run(*REHEARSING, input=request, env=ENVIRONMENT).stdout


def _answer(place: Path, request: str) -> str:
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.connect(str(place))
        with connection.makefile("rw") as stream:
            stream.write(request + "\n")
            stream.flush()
            return stream.readline()
