"""Raise compatibility_level to the newest, and write out each default that would change with it. Pure; raises nothing.

Nothing is treated differently, and Postfix no longer logs that it uses backwards-compatible defaults. Each value that
is written out can then be removed when its effect is wanted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.desired.offers.mail_text import with_values
from reconciler.desired.offers.offer import MAIL, Offer, plural
from reconciler.features.baseline import compatibility_level
from reconciler.model.ascii_text import split_words
from reconciler.postfix.levels import LEVEL, at_level, depends, level_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.desired.offers.offer import Ground

_CHROOT = re.compile(r"(?:\S+\s+){4}(-)(?=\s)", re.ASCII)  # the fifth field of master(5)


def find(ground: Ground) -> Offer | None:
    """Offer to raise it."""
    written, defaults = ground.origin.parameters.get(LEVEL), ground.facts.parameters
    old, new = level_of(ground.origin, ground.facts), compatibility_level(ground.facts.release)
    if not old or _number(old) >= _number(new) or (written and written.where.file != MAIL):
        return None
    pins = {
        name: at_level(default, old)
        for name, default in sorted(defaults.items())
        if depends(default) and name not in ground.origin.parameters
        if at_level(default, old) != at_level(default, new)
    }
    text = with_values(ground.mail, {LEVEL: new, **pins})
    if text is None:
        return None
    files: dict[str, bytes | None] = {MAIL: text.encode()}
    chroots = 0
    if not _number(old)[0] and _number(new)[0]:
        for path, (changed, count) in _jailed(ground).items():
            files[path], chroots = changed.encode("utf-8", "surrogateescape"), chroots + count
    told = [plural(len(pins), "default")] * bool(pins) + [f"the chroot of {plural(chroots, 'service')}"] * bool(chroots)
    kept = f" ({' and '.join(told)} that would change with it written out)" if told else ""
    return Offer(
        summary=f"raise compatibility_level from {old} to {new}{kept}", files=files, changed=frozenset({LEVEL}),
        confirm=tuple(f"{name} stays {value or 'empty'}, instead of {at_level(defaults[name], new) or 'empty'}"
                      for name, value in pins.items()),
    )  # fmt: skip


def _number(level: str) -> tuple[int, ...]:
    numbers = tuple(int(number) for number in re.findall(r"[0-9]{1,9}", level, re.ASCII))
    return numbers or (0,)


def _jailed(ground: Ground) -> Mapping[str, tuple[str, int]]:
    """Return the files of master.d in which ``-`` for chroot, which means y until then, is written out."""
    return dict(_with_chroot(ground))


def _with_chroot(ground: Ground) -> Iterator[tuple[str, tuple[str, int]]]:
    paths = {service.where.file for service in ground.desired.services if service.chroot == "-"}
    for path in sorted(paths & ground.files.keys()):
        lines, count = ground.text(path).split("\n"), 0
        for service in ground.desired.services:
            if (service.where.file, service.chroot) == (path, "-"):
                at = service.where.line - 1
                lines[at], changed = _written_out(lines[at])
                count += changed
        yield path, ("\n".join(lines), count)


def _written_out(line: str) -> tuple[str, int]:
    match = _CHROOT.match(line)
    if not match or len(split_words(line)) < 6:  # noqa: PLR2004 - the fields of a service may continue below
        return line, 0
    return f"{line[: match.start(1)]}y{line[match.end(1) :]}", 1
