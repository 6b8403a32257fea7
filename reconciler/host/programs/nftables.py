"""nftables: the table ``inet reconciler``, which says who on this host may connect to other mail servers.

Promises: activate() and stop() change our own table in one step, and no other; answers() compares what the kernel has
with what the file says, rule by rule, in a network of its own that ends at once. Raises CommandFailed when nft(8) fails
where it must not.

Known limits: nft(8) resolves users by name when it loads the file: one whose number changes later is that number until
the next load. Where no network namespace can be made, answers() sees only whether the table is there.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

from reconciler.features.lockdown_names import FILE, NAME, TABLE, TRIED
from reconciler.host.effects import user_of
from reconciler.host.programs.service import Was
from reconciler.model import UNWRITTEN, Finding
from reconciler.model.ascii_text import SPACE, split_lines
from reconciler.model.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.host.effects import Host

PACKAGE = TITLE = NAME
PLACES: dict[str, str] = {}
COPIED: frozenset[str] = frozenset()
IS_SERVICE = False
_TABLE = ("inet", TABLE)
_LIST = ("nft", "--stateless", "--terse", "--numeric", "list", "table", *_TABLE)
_DELETE = f"table inet {TABLE}\ndelete table inet {TABLE}\n".encode()
_NOT_FOUND = 127
_ALONE = ("unshare", "--net", "sh", "-c", 'nft -f "$0" && exec "$@"')


class RefusedPackets(NamedTuple):
    """How often a user was refused since the table was loaded."""

    uid: int
    user: str
    times: int


def check(host: Host, folder: Path) -> list[Finding]:
    """What nft(8) and the kernel have against the rules; nothing changes. Only root on a host that has it may ask."""
    if os.geteuid() or not _installed():
        return []
    done = host.run(("nft", "--check", "--file", str(folder / FILE)))
    if not done.status:
        return []
    said = next((line for line in split_lines(done.stderr) if "Error" in line), done.stderr.strip(SPACE))
    said = said.replace(f"{folder}/", "")
    return [Finding(rule="nft-refuses", where=UNWRITTEN, text=f"nft: {said}", subject=NAME, lasting=False)]


def look(host: Host) -> Was:
    """Nothing of it was there before: the table's name is ours, and the unit that loads it at boot is always there."""
    return Was(running=_installed() and host.run(_LIST).status == 0, enabled=False)


def activate(host: Host, folder: Path) -> None:
    """Put the rules of the file in place of ours that are there, in one transaction of the kernel's."""
    _load(host, str(folder / FILE))


def answers(host: Host, folder: Path) -> str:
    """Why the kernel does not keep to the rules of the file; empty when it does."""
    if not _installed():
        return "nft is not installed"
    there = host.run(_LIST)
    if there.status:
        return "the table inet reconciler is gone"
    wanted = host.run((*_ALONE, str(folder / FILE), *_LIST))
    return (
        "the table inet reconciler was changed by another program"
        if not wanted.status and wanted.stdout != there.stdout
        else ""
    )


def stop(host: Host) -> None:
    """Take the table away; one that is not there is fine."""
    _load(host, "-", _DELETE)


def _load(host: Host, file: str, text: bytes | None = None) -> None:
    argv = ("nft", "--file", file)
    if not _installed():
        raise CommandFailed(argv, _NOT_FOUND, "nft is not installed")
    host.act(argv, input=text).checked()


def leave(host: Host, was: Was) -> None:
    """Nothing is left to do: the table is gone."""


def processes() -> list[int]:
    """The kernel keeps to the rules; no process does."""
    return []


def refused(host: Host) -> list[RefusedPackets]:
    """Who was refused, most often first; empty where the table is not there, or can't be read."""
    if not _installed():
        return []
    done = host.run(("nft", "--json", "list", "set", *_TABLE, TRIED))
    return sorted(elements(done.stdout), key=lambda one: -one.times) if not done.status else []


def _installed() -> bool:
    return shutil.which("nft", path="/usr/sbin:/sbin") is not None


def elements(text: str) -> Iterator[RefusedPackets]:
    """Read what `nft --json list set` prints."""
    for entry in json.loads(text)["nftables"]:
        for element in entry.get("set", {}).get("elem", ()):
            uid, counter = element["elem"]["val"], element["elem"]["counter"]
            yield RefusedPackets(uid, user_of(uid), counter["packets"])
