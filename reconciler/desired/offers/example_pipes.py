"""Leave out the services that Debian's master.cf has as examples, if nothing routes mail to them. Pure; raises nothing.

The comments above an example go with it if they are the package's own. An example stays if a comment of somebody's is
above it or between its lines, or if main.cf has a limit for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.desired.offers.offer import Offer
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.reached import idle
from reconciler.postfix.syntax import is_comment, logical_lines

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.desired.offers.offer import Ground
    from reconciler.model import Service

_EXAMPLES = {
    "maildrop": ("user=vmail", "argv=/usr/bin/maildrop"),
    "uucp": ("user=uucp", "argv=uux"),
    "ifmail": ("user=ftn", "argv=/usr/lib/ifmail/ifmail"),
    "bsmtp": ("user=bsmtp", "argv=/usr/lib/bsmtp/bsmtp"),
    "scalemail-backend": ("user=scalemail", "argv=/usr/lib/scalemail/bin/scalemail-store"),
    "mailman": ("user=list", "argv=/usr/lib/mailman/bin/postfix-to-mailman.py"),
}


def find(ground: Ground) -> Offer | None:
    """Offer to leave them out."""
    limits = tuple(ground.origin.parameters)
    examples = [one for one in ground.desired.services if _is_example(one) and not _is_limited(one, limits)]
    unused = idle(examples, ground.origin, ground.facts) if examples else set()
    texts: dict[str, str] = {}
    gone: list[Service] = []
    for service in reversed([one for one in examples if one.key in unused]):  # from below, so that line numbers hold
        path = service.where.file
        text = texts.get(path, ground.text(path))
        shorter = _without(text, service.where.line, ground.shipped)
        if shorter != text:
            texts[path] = shorter
            gone.append(service)
    if not gone:
        return None
    names = ", ".join(service.name for service in reversed(gone))
    return Offer(
        summary=f"leave out Debian's example services, to which nothing routes mail ({names})",
        files={path: text.encode("utf-8", "surrogateescape") for path, text in texts.items()},
        gone=frozenset(service.key for service in gone),
    )


def _is_example(service: Service) -> bool:
    words = _EXAMPLES.get(service.name, ())
    is_pipe = (service.type, service.command) == ("unix", "pipe") and not service.overrides
    return is_pipe and bool(words) and all(word in service.arguments for word in words)


def _is_limited(service: Service, parameters: Collection[str]) -> bool:
    """Return whether a setting of main.cf is named after the service, which would mean nothing without it."""
    return any(name.startswith(f"{service.name}_") for name in parameters)


def _without(text: str, line: int, shipped: frozenset[str]) -> str:
    """Return the text without the service of that line and the package's comments above it."""
    lines = text.split("\n")
    entry = next((one for one in logical_lines(text) if one.line == line), None)
    if entry is None:
        return text
    start = line - 1
    while start and is_comment(lines[start - 1]) and lines[start - 1].strip(SPACE) in shipped:
        start -= 1
    inside = lines[line : entry.parts[-1][0]]
    explained = [one for one in inside if is_comment(one) and one.strip(SPACE) not in shipped]
    if explained or (start and is_comment(lines[start - 1])):
        return text
    return "\n".join([*lines[:start], *lines[entry.parts[-1][0] :]])
