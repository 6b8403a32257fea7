"""Lay out the configuration of a server on a throw-away host, as its administrator has left it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tests.shapes import files_of

if TYPE_CHECKING:
    from tests.e2e.hosts import Host

TABLES = {
    "databases": ("extra_aliases",),
    "forwarding": ("virtual",),
    "latin-1": ("transport",),
    "left-alone": (
        "transport.map",
        "virtual",
        "twice",
        "maps/canonical",
        "clients",
        "generic",
        "private_policy",
        "relay_domains",
    ),
    "satellite": ("sasl_passwd",),
    "several-senders": ("senders",),
    "uucp": ("transport", "relocated"),
    "virtual-only": ("vmailbox", "virtual"),
    "inline": ("virtual",),
}
"""The hash: tables of each shape that postmap has been run for."""
AFTERWARDS = {
    "databases": "chmod 640 mysql/domains.cf ldap-people.cf && chgrp postfix mysql/domains.cf ldap-people.cf",
    "left-alone": "ln -s linked.real linked; echo 'z@example.com y@example.com' >>generic; chmod 640 private_policy*",
    "satellite": "chmod 600 sasl_passwd*",
}
"""What was done to the files since then."""


def lay_out(host: Host, shape: str, folder: str) -> None:
    """Write the files of a shape into a folder of the host, over what is there."""
    for path, content in files_of(shape).items():
        place = f"{folder}/{path}"
        script = 'mkdir -p "$1" && base64 -d >"$2"'
        text = base64.b64encode(content).decode()
        host.run("sh", "-c", script, "write", str(PurePosixPath(place).parent), place, input=text)
    compiled = " ".join(f"hash:{folder}/{name}" for name in TABLES.get(shape, ()))
    steps = ["cd " + folder, f"postmap {compiled} 2>&1" if compiled else ":", AFTERWARDS.get(shape, ":")]
    host.run("sh", "-c", f"{' && '.join(steps)} && touch -d '-1 hour' main.cf")


@dataclass(frozen=True, slots=True)
class Imported:
    """What ``reconciler import --json`` said, and how it ended."""

    status: int
    said: dict[str, Any]

    @property
    def left(self) -> dict[str, str]:
        """What stays where it is, with the reason."""
        return {one["what"]: one["why"] for one in self.said["left"]}

    @property
    def proof(self) -> dict[str, tuple[int, int]]:
        """The equal ones, and all, by what was compared."""
        return {line["what"]: (line["equal"], line["total"]) for line in self.said["proof"]}


def imported(host: Host, *options: str) -> Imported:
    """Run ``reconciler import``."""
    done = host.run("reconciler", "import", "--json", *options, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    return Imported(done.returncode, json.loads(done.stdout))
