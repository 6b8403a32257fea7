"""Asks a throw-away host for rehearsals: desired states without the rules that would refuse them earlier.

Each is held by a process of its own, a copy of one that has done its imports, which take longer than a rehearsal.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.e2e.hosts import CHECKOUT

if TYPE_CHECKING:
    from tests.e2e.hosts import Host

BASE = {"mydestination": "mx1.example.com, localhost", "mynetworks": "127.0.0.0/8"}
ENVIRONMENT = {"PYTHONPATH": str(CHECKOUT)}
REHEARSING = (sys.executable, CHECKOUT / "tests/e2e/inside/rehearse.py")


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


def rehearsed(host: Host, files: dict[str, str], **replaced: object) -> Rehearsed:
    """Rehearse the state with the real programs."""
    status, printed = host.run_preloaded("rehearse", typed=asked(files, **replaced))
    assert status == 0, printed
    told = json.loads(printed)
    return Rehearsed(told.get("findings", []), told.get("report", {}), told.get("trouble", ""))
