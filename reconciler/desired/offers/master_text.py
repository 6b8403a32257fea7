"""Take services out of a file of master.d, and keep the comments that explain them. Pure; raises nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.ascii_text import SPACE
from reconciler.postfix.commented import as_utf8
from reconciler.postfix.levels import level_of
from reconciler.postfix.syntax import is_comment, logical_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.desired.offers.offer import Ground
    from reconciler.model import Service

WRITTEN_ANEW = "master.cf is written anew, without its comments, which stay in the commit"
_OLD_LEVEL = re.compile(r"0*(?:\.|\Z)", re.ASCII)


class Taken(NamedTuple):
    """The *files* of master.d without some services, and the *comments* of each service by its key."""

    files: Mapping[str, bytes | None]
    comments: Mapping[str, tuple[str, ...]]


def without_services(ground: Ground, services: Iterable[Service]) -> Taken:
    """Take services out, with the comments right above each and between its lines, which are not the package's."""
    texts, comments = dict[str, str](), dict[str, tuple[str, ...]]()
    for service in sorted(services, key=lambda one: one.where, reverse=True):  # from below, so that line numbers hold
        path = service.where.file
        texts[path], comments[service.key] = _without(texts.get(path, ground.text(path)), service, ground.shipped)
    return Taken({path: text.encode("utf-8", "surrogateescape") for path, text in texts.items()}, comments)


def _without(text: str, service: Service, shipped: frozenset[str]) -> tuple[str, tuple[str, ...]]:
    lines = text.split("\n")
    start = service.where.line - 1
    end = next(one.parts[-1][0] for one in logical_lines(text) if one.line == service.where.line)
    first = start
    while first and is_comment(lines[first - 1]) and lines[first - 1].strip(SPACE) not in shipped:
        first -= 1
    told = [line.strip(SPACE) for line in lines[first:end] if is_comment(line)]
    return "\n".join([*lines[:first], *lines[end:]]), tuple(as_utf8(line) for line in told if line not in shipped)


def is_outside_chroot(service: Service, ground: Ground) -> bool:
    """Return whether a service runs outside of a chroot jail, in which ``-`` means it does until level 1."""
    is_old = _OLD_LEVEL.match(level_of(ground.origin, ground.facts))
    return service.chroot == "n" or (service.chroot == "-" and not is_old)
