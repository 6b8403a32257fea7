"""Which files of a commit belong to a site, by their paths alone. Raises nothing."""

from __future__ import annotations

import re

NAME = re.compile(r"site[1-9][0-9]{0,8}")
_OWNED = re.compile(
    rf"sites/({NAME.pattern})(?:/.*)?|"
    r"(?:master\.d/(?=[^/]+\.cf\Z)|flows/(?=[^/]+\.yaml\Z)|secrets/(?=[^/]+\.age\Z))"
    rf"({NAME.pattern})-[^/]+",
    re.DOTALL,
)


def number_of(site: str) -> int:
    """Return the number in a site's name."""
    return int(site.removeprefix("site"))


def site_of(path: str) -> str:
    """Return the site that a file of a commit belongs to; empty for all other files."""
    match = _OWNED.fullmatch(path)
    return match[1] or match[2] if match else ""
