"""Signs that a program writes main.cf or master.cf: what it says in a comment, and the folders of hosting panels.

Pure; raises nothing. Known limit: a program that leaves no comment and no folder is not noticed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from reconciler.postfix.commented import comment_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PLACES = {
    "/etc/NIXOS": "NixOS",
    "/etc/dms": "docker-mailserver",
    "/etc/froxlor": "Froxlor",
    "/etc/mailinabox.conf": "Mail-in-a-Box",
    "/etc/psa": "Plesk",
    "/etc/webmin/virtual-server": "Virtualmin",
    "/opt/iredmail": "iRedMail",
    "/opt/zimbra": "Zimbra",
    "/usr/local/directadmin": "DirectAdmin",
    "/usr/local/ispconfig": "ISPConfig",
    "/var/www/froxlor": "Froxlor",
}
"""The place that each program has on the hosts where it writes Postfix's configuration."""
_SAYS = re.compile(
    r"\b(?:managed|generated|maintained|written|overwritten|created|controlled)\s+(?:automatically\s+)?by\b"
    r"|\bdo\s+not\s+(?:edit|modify|change)\b|\bautomatically\s+(?:generated|managed|created)\b"
    r"|\bauto-?generated\b|\b(?:changes|edits)\s+(?:\w+\s+){0,7}(?:overwritten|lost)\b"
    r"|\b(?:ansible|puppet|salt|chef|cfengine)[ -]managed\b|\b(?:ispconfig|virtualmin|plesk|zimbra|froxlor)\b",
    re.IGNORECASE | re.ASCII,
)


class Sign(NamedTuple):
    """A comment that names a writer: its file and its text."""

    file: str
    text: str


def signs(file: str, content: bytes, shipped: Collection[str]) -> Iterator[Sign]:
    """Yield the first comment of a file that says that a program writes it; *shipped* are the package's comments."""
    said = (line for line in comment_lines(content) if line not in shipped and _SAYS.search(line))
    if text := next(said, ""):
        yield Sign(file, text)
