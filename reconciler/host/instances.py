"""Name the instances of this host: several Postfix mail systems, each with settings, a state and a daemon of its own.

The instance NAME has the settings /etc/reconciler/NAME.toml, and Postfix calls it postfix-NAME (postmulti(1)). The
instance without a name is the default one, which Postfix's programs use when none is named.

Promises: two instances share no place by default, but the repository, in which each follows a branch of its own, and
the identity of the host. No place of one is below a place of another, because systemd and deploy/uninstall remove whole
folders. Raises BadSettings for a name that can't be one.
"""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.model.errors import BadSettings

DEFAULT_FILE = Path("/etc/reconciler.toml")
FOLDER = Path("/etc/reconciler")
PREFIX = "postfix-"
VARIABLE = "RECONCILER_INSTANCE"
_DEFAULT = "-"  # as postmulti(1) calls the default instance
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}")


def file_of(name: str) -> Path:
    """Return the settings file of an instance; Postfix's own name of it, such as postfix-out, will do as well."""
    short = name.removeprefix(PREFIX)
    if name in {"", _DEFAULT}:
        return DEFAULT_FILE
    if not _NAME.fullmatch(short):
        raise BadSettings(f'"{name}" is no name of an instance: it has only letters, digits, "_" and "-"')
    return FOLDER / f"{short}.toml"


def name_of(file: Path) -> str:
    """Return the instance that has these settings; empty for the default one, and for a file elsewhere."""
    is_one = file.absolute().parent == FOLDER and file.suffix == ".toml" and _NAME.fullmatch(file.stem)
    return file.stem if is_one else ""


def installed() -> list[str]:
    """Return the names of the instances with settings, without the default one."""
    return sorted(filter(None, map(name_of, FOLDER.glob("*.toml"))))


def places(name: str) -> dict[str, object]:
    """Return the settings of an instance that differ from those of the default one, by the fields of Settings."""
    if not name:
        return {}
    return {
        "instance": name,
        "branch": name,
        "state": Path(f"/var/lib/reconciler-{name}"),
        "backup": Path(f"/var/backups/reconciler-{name}"),
        "config_directory": Path(f"/etc/{PREFIX}{name}"),
        "socket": Path(f"/run/reconciler-{name}/control.sock"),
    }
