"""Attribute a hand edit: find who edited a file, as far as this host records it; package scripts differ from people.

look() finds when the files changed (ctime, which no program can set), whether dpkg was running the scripts of a package
that mentions Postfix at that moment (its log), which users have programs on a terminal and their login names, and which
user ran sudo right before. It keeps no command line, because one may hold a password. Raises nothing.

Known limits: an edit without a terminal (ssh HOST COMMAND, cron, a panel) is known only by its file's owner. Sudo is
read from /var/log/auth.log only. An edit in the same second in which a package is configured counts as the package's.
"""

from __future__ import annotations

import os
import pwd
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.effects import named
from reconciler.host.log_times import logged_at
from reconciler.model.ascii_text import SPACE, split_lines, split_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DPKG_LOG = Path("/var/log/dpkg.log")
DPKG_INFO = Path("/var/lib/dpkg/info")
AUTH_LOG = Path("/var/log/auth.log")
SOMEBODY = "somebody"
SLACK = 1.0  # dpkg's log has whole seconds
_RECENT = 120.0  # a sudo command this long before an edit may still be the editor that made it
_TAIL = 1 << 20
_NOBODY = 0xFFFFFFFF  # loginuid of a process without a login session
_SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")
_STATUS = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) status (\S+) (\S+) (\S+)", re.ASCII)
_BUSY, _DONE = {"half-installed", "half-configured", "triggers-awaited", "triggers-pending"}, {"installed", "unpacked"}
_SUDO = re.compile(
    r"^(?P<at>\S+(?: +\d+ [\d:]+)?) \S+ sudo(?:\[\d+\])?: +(?P<user>\S+) : (?:TTY=(?P<tty>\S+) ; )?.*COMMAND=", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """The author of an edit in a few words, and the details known; *package* is empty for people."""

    who: str
    at: float
    package: str = ""
    details: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The phrase for a log line: ``by package postfix ...`` or ``while root was on pts/0``."""
        if self.package:
            return f"by package {self.package}"
        return f"while {self.who}" if " was on " in self.who else f"by {self.who}"


def look(root: Path, files: Iterable[str]) -> Attribution:
    """Return who edited *files* below *root*, which differ from their manifest."""
    changed = {path: _changed(root / path) for path in files}
    at = max(changed.values(), default=0.0)
    details = [f"{path}: changed {_shown(when)}{_owned(root / path)}" for path, when in sorted(changed.items())]
    if package := _package(changed.values()):
        return Attribution(who="dpkg", at=at, package=package, details=(*details, f"while dpkg ran: {package}"))
    sudo, here = list(_sudo(at)), list(_terminals(root))
    details += [f"sudo by {one}" for one in sudo]
    details += [f"on a terminal: {one}" for one in here] or ["no user was on a terminal"]
    return Attribution(who=_most_likely(sudo, here), at=at, details=tuple(details))


def _most_likely(sudo: list[str], here: list[str]) -> str:
    if len(sudo) == 1:
        return f"{sudo[0].partition(' ')[0]} was on {sudo[0].partition(' on ')[2].partition(' ')[0] or 'sudo'}"
    editing = [one for one in here if ":" in one]
    users = list(dict.fromkeys(one.partition(":")[0] for one in editing or here))
    return users[0].replace(" on ", " was on ") if len(users) == 1 else SOMEBODY


def _changed(path: Path) -> float:
    """Return when a file changed last; for a removed file, when its folder did."""
    for one in (path, *path.parents):
        with suppress(OSError):
            return one.lstat().st_ctime
    return 0.0


def _owned(path: Path) -> str:
    try:
        status = path.lstat()
    except OSError:
        return ", gone"
    return f", owner {named(status.st_uid, status.st_gid)}"


def _shown(when: float) -> str:
    return datetime.fromtimestamp(when).astimezone().isoformat(" ", "seconds")


# ---- packages --------------------------------------------------------------------------------------------------------


def _package(times: Iterable[float]) -> str:
    """Return the package whose scripts ran at each of these times, as ``postfix 3.7.11-0+deb12u1``, or empty."""
    moments, ran = list(times), _scripts()
    always = (
        (package, version)
        for (package, version), spans in ran.items()
        if moments and all(any(start - SLACK < when < end + SLACK for start, end in spans) for when in moments)
    )
    found = (f"{package.partition(':')[0]} {version}" for package, version in always if _knows_postfix(package))
    return next(found, "")


def _scripts() -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Return when dpkg ran the scripts of each package and version, each time from its start to its end."""
    begun: dict[str, float] = {}
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for line in _tail(DPKG_LOG):
        if match := _STATUS.match(line):
            at, status, package, version = match.groups()
            if status in _BUSY:
                begun.setdefault(package, datetime.fromisoformat(at).timestamp())
            elif status in _DONE and (start := begun.pop(package, None)) is not None:
                found.setdefault((package, version), []).append((start, datetime.fromisoformat(at).timestamp()))
    return found


def _knows_postfix(package: str) -> bool:
    """Tell whether a script of the package mentions Postfix."""
    for name in (package, package.partition(":")[0]):
        for script in _SCRIPTS:
            with suppress(OSError):
                if b"postfix" in (DPKG_INFO / f"{name}.{script}").read_bytes():
                    return True
    return False


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL))
            return split_lines(stream.read().decode("utf-8", "replace"))
    except OSError:
        return []


# ---- people ----------------------------------------------------------------------------------------------------------


def _sudo(at: float) -> Iterator[str]:
    """Yield the users with a sudo command shortly before, each once."""
    found: dict[str, str] = {}
    for line in _tail(AUTH_LOG):
        match = _SUDO.match(line)
        when = logged_at(match["at"], at) if match else None
        if match and when is not None and -SLACK <= at - when <= _RECENT:
            found[match["user"]] = f"{match['user']} on {match['tty'] or 'no terminal'} at {_shown(when)}"
    yield from found.values()


def _terminals(root: Path) -> Iterator[str]:
    """Yield the users on terminals, each terminal once: ``ada on pts/0: vim.tiny has .main.cf.swp open``."""
    seen: dict[str, str] = {}
    real = os.path.realpath(root)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, KeyError, IndexError):
            if terminal := _terminal(process):
                who = f"{_login(process)} on {terminal}"
                open_files = _open_below(process, real)
                seen[who] = max(seen.get(who, ""), open_files)
    yield from (f"{who}: {what}" if what else who for who, what in sorted(seen.items()))


def _terminal(process: Path) -> str:
    """Return the terminal that controls a process, as ``pts/0``; empty for none (proc(5), tty_nr)."""
    number = int(split_words((process / "stat").read_text().rpartition(")")[2])[4])
    major, minor = number >> 8 & 0xFFF, (number & 0xFF) | (number >> 12 & 0xFFF00)
    if not number:
        return ""
    return f"pts/{minor + (major - 136) * 256}" if 136 <= major <= 143 else f"tty{minor}"  # noqa: PLR2004 - devices.txt


def _login(process: Path) -> str:
    """Return the owner of a process, and the login name if it differs (sudo, su)."""
    owner = pwd.getpwuid(process.stat().st_uid).pw_name
    number = _NOBODY
    with suppress(OSError):  # a kernel without audit
        number = int((process / "loginuid").read_text())
    login = owner if number == _NOBODY else pwd.getpwuid(number).pw_name
    return owner if login == owner else login


def _open_below(process: Path, root: str) -> str:
    """Return the file below *root* that a process has open, such as an editor's swap file."""
    for link in (process / "fd").iterdir():
        with suppress(OSError):
            target = str(link.readlink())
            if target.startswith(f"{root}/"):
                return f"{(process / 'comm').read_text().strip(SPACE)} has {target.removeprefix(root)[1:]} open"
    return ""
