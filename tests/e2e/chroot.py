"""What Postfix's programs find in their chroot in a throw-away host: as Debian's script fills it.

Promises: fill() is for a host as it was made; hosts of one name and address then get the same. The script starts 45
programs, so it fills one host of a run of tests, and the others get a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.host_files import pack, unpack
from tests.e2e.kept import kept

if TYPE_CHECKING:
    from tests.e2e.hosts import Host

FILL = "/usr/lib/postfix/configure-instance.sh -"
FILLED = tuple(f"var/spool/postfix/{name}" for name in ("dev", "etc", "lib", "usr"))


def fill(host: Host) -> None:
    """Fill the chroot of a host to which nothing was written yet."""
    with kept(f"chroot of {host.name} at {host.address}") as copy:
        if copy.text:
            unpack(host.root, copy.file)
            return
        host.run(*FILL.split())
        pack(host.root, FILLED, copy.file)
        copy.keep("in the file")
