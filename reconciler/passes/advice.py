"""Find the command, or the advice, that helps with a trouble, in the sentence that tells of it. Pure; raises nothing.

The sentences are those of the rules, of host/disk.py, of the locks and of the repository.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

LATEST = "reconciler log -1"
PASSING = timedelta(minutes=10)
"""The time after which a remote that can't be fetched is a reason to act, unless a person must act in any case."""
_COMMAND = re.compile(r"`(reconciler [^`]*)`", re.ASCII)
_PLACE = re.compile(r"\A[^ :]+:[0-9]+:[0-9]+: ", re.ASCII)
_RULE = re.compile(r"  \[([a-z-]+)\]\Z", re.ASCII)
_OF_TROUBLES = (
    (re.compile(r'no server answers at "([^"]+)" \(', re.ASCII), "start the server at {}"),
    (re.compile(r"no server answers at ([^ ]+) \(", re.ASCII), "start the server at {}"),
    (re.compile(r"; (restore /[^;]+)", re.ASCII), "{}"),
    (re.compile(r'missing file "([^"]+)"', re.ASCII), "restore {}"),
    (re.compile(r'missing table "[^"]+" in [^ ]+: ([^ ]+) does not exist', re.ASCII), "restore {}"),
    (re.compile(r'"(/[^"]+)" holds neither', re.ASCII), "restore {}"),
    (re.compile(r"no space left on the file system of ([^ ,]+)", re.ASCII), "df -h {}, and make room there"),
    (re.compile(r"no inodes left on the file system of ([^ ,]+)", re.ASCII), "df -i {}, and remove files there"),
    (re.compile(r"read-only file system of ([^ ,]+)", re.ASCII), "findmnt -T {}, and mount it read-write"),
    (re.compile("No space left on device"), "df -h; df -i, and make room on the file system that is full"),
    (re.compile("dpkg holds its lock"), "wait for dpkg: the pass follows by itself"),
    (re.compile("the daemon did not answer"), "reconciler status, when the host is less busy"),
    (re.compile("another pass is running"), "wait for the other pass: the next one follows by itself"),
)
_OF_REPOSITORIES = (
    (re.compile("`(reconciler fetch)`"), "{1}"),
    (re.compile("No such file or directory"), "restore it from a backup, or reconciler init {} --from CLONE"),
    (re.compile("there is no branch "), "git -C {} branch -a, and push the branch"),
    (re.compile(r"; ((?:remove|replace) [^;]*)\Z", re.ASCII), "{1}"),
)


def advice(text: str, otherwise: str = LATEST) -> str:
    """Return what to do about a trouble; *otherwise* if the sentence does not tell."""
    for pattern, form in _OF_TROUBLES:
        if match := pattern.search(text):
            return form.format(*match.groups())
    commands, rule = _COMMAND.findall(text), _RULE.search(text)
    if commands:
        return str(commands[-1])
    return f"reconciler explain {rule[1]}" if rule else otherwise


def repeats(text: str, other: str) -> bool:
    """Whether a sentence ends with what another one says, but for its place and its rule."""
    return text == other or text.endswith(bare(other))


def bare(text: str) -> str:
    """Return a sentence without the place that it begins with, and the rule that it ends with."""
    return _PLACE.sub("", _RULE.sub("", text))


def advice_for_repository(problem: str, path: str) -> str:
    """Return what to do about a repository that can't be read."""
    for pattern, form in _OF_REPOSITORIES:
        if match := pattern.search(problem):
            return form.format(path, *match.groups())
    return f"git -C {path} fsck"


def lasts(since: str | None, now: datetime) -> bool:
    """Return whether a trouble of the remote has lasted long enough, or does not end by itself."""
    return since is None or now - datetime.fromisoformat(since) > PASSING
