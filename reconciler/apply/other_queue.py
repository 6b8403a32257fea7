"""A change of queue_directory leaves no mail behind.

A commit is refused while mail waits in the queue. What arrives in the instant of the swap is moved, and so is what an
undo, a rollback or a rescue would leave in the newer queue, because these always go on. The queue of another instance
is left alone: a hand edit of queue_directory makes it look like the old one. Raises OSError for a queue that can't be
read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host import queue
from reconciler.host.other_instances import of_settings
from reconciler.host.programs import postconf, postfix
from reconciler.model import UNWRITTEN, Finding, Severity, Where
from reconciler.postfix.scopes import words

if TYPE_CHECKING:
    from reconciler.host.effects import Host
    from reconciler.host.programs.postfix import Instance

_LIST = "multi_instance_directories"


def mail_left_behind(before: Instance, after: Instance, host: Host) -> list[Finding]:
    """Return an error if mail waits in the queue that Postfix would not read any more."""
    count = 0 if _is_same(before, after) else queue.waiting(before.queue_directory)
    if not count or _is_of_another(before, after, host):
        return []
    text = (
        f"queue_directory would become {after.queue_directory}, but {_messages(count)} in {before.queue_directory}, and"
        " Postfix would not deliver what stays there; deliver or delete it (`postqueue -f`, `postsuper -d`): the commit"
        " is tried again, and goes live once that queue is empty"
    )
    return [Finding(rule="queue-left-behind", where=UNWRITTEN, text=text, subject="queue_directory", lasting=False)]


def take_along(before: Instance, after: Instance, host: Host) -> tuple[Finding, ...]:
    """Move the mail of the queue that is not read any more; return a warning about what could not be moved."""
    if _is_same(before, after) or not queue.waiting(before.queue_directory) or _is_of_another(before, after, host):
        return ()
    left = queue.move(before.queue_directory, after.queue_directory, after.directory, host)
    if not left:
        return ()
    text = (
        f"{_messages(left)} in {before.queue_directory}, which Postfix does not read any more, and could not be moved"
        f" to {after.queue_directory}; stop Postfix, move them by hand, and run `postsuper -s`"
    )
    warning = Severity.WARNING
    return (
        Finding(
            rule="queue-left-behind",
            where=Where(str(before.queue_directory)),
            text=text,
            subject="queue_directory",
            severity=warning,
            lasting=False,
        ),
    )


def _is_same(before: Instance, after: Instance) -> bool:
    return before.queue_directory.resolve() == after.queue_directory.resolve()


def _is_of_another(before: Instance, after: Instance, host: Host) -> bool:
    """Return whether the old queue is that of another instance; *before* or *after* has the managed directory."""
    if not postconf.installed():
        return False
    own = {before.directory.resolve(), after.directory.resolve()}
    default = postfix.live(host, postfix.STOCK_DIRECTORY)
    known = [default.directory, *map(Path, words(default.values.get(_LIST, ""))), *of_settings()]
    others = [one for one in known if one.resolve() not in own and (one / postconf.MAIN).exists()]
    return any(_is_same(before, postfix.live(host, other)) for other in others)


def _messages(count: int) -> str:
    return "1 message waits" if count == 1 else f"{count} messages wait"
