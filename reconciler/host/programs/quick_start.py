"""Start a Postfix that was stopped a moment ago without the check of its installation, as after `postfix quick-stop`.

At a start Postfix's own script makes missing folders and sorts its queue files, for they may come from a backup. It
runs postconf two dozen times, which takes minutes where master.cf has thousands of services: as long as mail is down.

Promises: the check is left out only if it would find nothing to do: every folder is there, and the queue is where it
was, sorted as it was. A start that failed leaves nothing to a later one. Raises OSError as the kernel gives it.

Known limit: the warnings about owners and modes of installed files are not logged then.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.host.effects import Host

    Values = Mapping[str, str]

NAME = "quick-start"
"""The file in the queue that Postfix's script looks for, and removes."""
_FOLDERS = (
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private",
    "public", "saved", "trace",
)  # fmt: skip
_SAME = (
    "queue_directory", "data_directory", "daemon_directory", "meta_directory", "shlib_directory", "mail_owner",
    "hash_queue_names", "hash_queue_depth",
)  # fmt: skip
"""What says where the folders are, whose they are, and how queue files are sorted."""


@contextmanager
def quick_start(host: Host, before: Values | None, after: Values) -> Iterator[None]:
    """Have a start with the values *after* in this context be quick if it may be; *before* ran until now, if known."""
    file = Path(after["queue_directory"], NAME)
    may_be = before is not None and _is_same(before, after) and _is_whole(after)
    if may_be:
        host.write(file, b"")
    try:
        yield
    finally:
        if may_be and file.exists():  # Postfix's script has not come so far
            host.remove(file)


def _is_same(before: Values, after: Values) -> bool:
    return all(before.get(name) == after.get(name) for name in _SAME)


def _is_whole(values: Values) -> bool:
    queue = Path(values["queue_directory"])
    return all(folder.is_dir() for folder in (Path(values["data_directory"]), *map(queue.joinpath, _FOLDERS)))
