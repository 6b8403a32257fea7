"""Whether this host can hold a rehearsal, and what a rehearsal can't show of its live configuration.

Promises: nothing on the host changes. Raises OSError as the kernel gives it.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import SPACE
from reconciler.model.errors import CommandFailed
from reconciler.model.past import Past
from reconciler.rehearsal.inside import shown
from reconciler.rehearsal.named import tables_in

if TYPE_CHECKING:
    from reconciler.host.effects import Host

NAMESPACES = ("-m", "-n", "-p", "-u", "-i")
_NEEDED = ("ip", "setpriv", "unshare")
_TRIED = """
    mount --make-rprivate / && mount -t tmpfs tmpfs /proc && mkdir /proc/usr /proc/old /proc/public &&
    mount -n --bind /usr /proc/usr && chmod 2710 /proc/public && ip link add type veth
"""
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_able: Past[bool] = Past(4)
"""The hosts and namespaces with which a rehearsal can be held."""


def limit(host: Host, namespaces: tuple[str, ...] = NAMESPACES) -> str:
    """Return why no rehearsal can be held on this host, or empty; that one can be held is tested once, in about 15 ms.

    What keeps a host from it may end, such as a lack of memory or of a program, so it is tested each time.
    """
    if _able.used((host, namespaces)):
        return ""
    reason = _refused(host, namespaces)
    if not reason:
        _able.keep((host, namespaces), value=True)
    return reason


def _refused(host: Host, namespaces: tuple[str, ...]) -> str:
    """Try everything that a kernel, a container or a systemd unit may refuse; return what is refused, or empty.

    That is the namespaces, a new root and what is shown in it, a folder with a set-id bit, and a wire between two
    networks.
    """
    for name in _NEEDED:
        if not shutil.which(name, path=_PATH):
            return f"rehearsal off: the program {name} is not installed"
    try:
        done = host.run(("unshare", *namespaces, "-f", "--kill-child", "sh", "-c", _TRIED), timeout=10)
    except (CommandFailed, OSError) as error:
        return f"rehearsal off: {error}"
    if not done.status:
        return ""
    refused = "not permitted" in done.stderr or "denied" in done.stderr
    return f"rehearsal off: {'namespaces are not permitted' if refused else done.stderr.strip(SPACE)}"


def closed_tables(text: str) -> list[str]:
    """Return the files of tables named in a configuration's text that a rehearsal can't show, because only root may."""
    found = {path: shown.find(path) for path in tables_in(text)}
    return sorted(path for path, one in found.items() if one and not one.is_open)
