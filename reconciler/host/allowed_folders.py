"""Which folders outside of Postfix's folder an administrator may open to the files of commits (``files.folders``).

A program that reads such a file acts on it, with its own rights. So nothing is allowed where a file decides what root
runs: /etc as a whole, /etc/cron.d, /etc/sudoers.d and the like, nor where reconciler and Postfix keep their own.

Promises: what is returned is an absolute path without ``.``, ``..`` and empty names. Raises ValueError with what is
wrong. Pure.

Known limit: the list of what root acts on is not complete. An administrator has to know which programs read a folder.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*"
_FOLDER = re.compile(rf"/(?P<above>etc|opt|srv)/(?P<first>{_NAME})(?:/{_NAME})*")
_OF_ROOT = re.compile(
    r"""
    opt\ reconciler
    |etc\ (?:X11|acpi|alternatives|apparmor.*|apt|audit|bash_completion\.d|binfmt\.d|cron.*|dbus-1|default|dhcp.*|dpkg
    |emacs|environment\.d|grub\.d|init.*|iproute2|kernel|ld\.so.*|letsencrypt|logrotate\.d|lvm|mdadm|modprobe\.d|modules.*
    |needrestart|network.*|nftables.*|openvpn|pam\.d|perl|php|pm|polkit-1|postfix|ppp|profile\.d|python.*|rc.*
    |reconciler.*|resolvconf|rsyslog\.d|runit|security|selinux|skel|ssh|ssl|sudo.*|sv|sysctl\.d|systemd|sysusers\.d
    |tmpfiles\.d|udev|ufw|unattended-upgrades|update.*|vim|wireguard|xdg|zsh)
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def folder(text: str) -> Path:
    """Return the folder that is meant; raise ValueError if no commit may put a file there."""
    match = _FOLDER.fullmatch(text)
    if not match:
        raise ValueError('expected folders below /etc, /opt or /srv, such as "/etc/policyd"')
    if _OF_ROOT.fullmatch(f"{match['above']} {match['first']}"):
        raise ValueError(f"root acts on what is in {text}, so a commit that puts files there would be root")
    return Path(text)


def raise_if_ours(folders: Iterable[Path], own: Iterable[Path]) -> None:
    """Raise ValueError if something of our *own* is in one of the folders, or one of them in that."""
    for one in folders:
        if taken := next((path for path in own if one.is_relative_to(path) or path.is_relative_to(one)), None):
            raise ValueError(f"{one} can't hold files of a commit, because of {taken}, which is reconciler's")
