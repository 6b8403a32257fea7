"""The next start of Postfix must succeed as well, although a reload needs less than a start.

A start makes missing folders, takes a lock in data_directory, reads the other instances and writes to its own log.
Debian's start also runs a script before, which stops at names that it does not accept. A change that only the next
start meets would stop all mail at the next boot. Raises nothing.

Known limit: only settings that the commit writes are judged, because it is not at fault for the others.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model import MASTER, Mentioned, Place, PlaceUse
from reconciler.postfix.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

START_SCRIPT = "/usr/lib/postfix/configure-instance.sh"
_QUEUES = ("incoming", "active", "deferred", "private")
_OF_A_START = {
    "command_directory": ("postfix", "postconf", "postsuper", "postlog"),
    "daemon_directory": ("master", "postfix-script", "post-install"),
    "meta_directory": ("postfix-files",),
}
_ENABLE = "multi_instance_enable"
_REFUSED_ORIGINS = {"debian.org", "ubuntu.com"}
_PASSWD = "unix:passwd.byname"  # noqa: S105 - a table


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check what `postfix start` needs and a reload does not."""
    for finding in _problems(Scope(merged, facts)):
        yield replace(finding, starts=frozenset({MASTER}))


def _problems(main: Scope) -> Iterator[Finding]:
    facts, told = main.facts, set[str]()
    for parameter, place, then in _places(main):
        if (problem := facts.places.get(place)) and parameter.name not in told:
            told.add(parameter.name)
            what = f'{parameter.name}: "{place.path}" can\'t be used: {problem}; {then}'
            yield main.finding("next-start", parameter, what, place.path, lasting=False)
    for parameter, path, then in _files(main):
        if facts.files.get(path) is False and parameter.name not in told:
            told.add(parameter.name)
            what = f"{parameter.name}: {path} does not exist or can't be read; {then}"
            yield main.finding("next-start", parameter, what, path, lasting=False)
    yield from _instances(main)
    yield from _log(main)
    yield from _origin(main)


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Name the folders and files that a start uses."""
    main = Scope(merged, facts)
    files = {path for _, path, _ in _files(main)} | {START_SCRIPT}
    return Mentioned(paths=frozenset(files), places=frozenset(place for _, place, _ in _places(main)))


def _places(main: Scope) -> Iterator[tuple[Parameter, Place, str]]:
    """Yield the folders and files that a user must be able to use, each with what happens otherwise."""
    user, data, log = (main.value(name) for name in ("mail_owner", "data_directory", "maillog_file"))
    if user in main.facts.users and data.startswith("/"):
        for parameter in _written(main, "data_directory", "mail_owner"):
            yield parameter, Place(data, user, PlaceUse.FOLDER), "the master could not make its lock there, nor start"
    if log.startswith("/") and not log.startswith("/dev/"):
        for parameter in _written(main, "maillog_file"):
            yield (
                parameter,
                Place(log, "root", PlaceUse.FILE),
                "postlogd could not write it, and Postfix would not start",
            )
    yield from _queue(main, user, main.value("queue_directory"))


def _queue(main: Scope, user: str, spool: str) -> Iterator[tuple[Parameter, Place, str]]:
    """Yield the folders of the queue, as _places() does."""
    if not spool.startswith("/"):
        return
    for parameter in _written(main, "queue_directory"):
        yield parameter, Place(spool, "", PlaceUse.PASSAGE), "sendmail would fail for every user but root"
    for parameter in _written(main, "mail_owner", "queue_directory") if user in main.facts.users else ():
        for name in _QUEUES:
            then = f"Postfix could not use its queue; run `chown -R {user} {spool}/{name}`"
            yield parameter, Place(f"{spool}/{name}", user, PlaceUse.FOLDER), then
    for parameter in _written(main, "queue_directory", "local_recipient_maps") if _passwd_in_jail(main) else ():
        then = f"Debian's {START_SCRIPT} would fail, and systemd would not start Postfix; make the folder"
        yield parameter, Place(f"{spool}/etc", "root", PlaceUse.PASSAGE), then


def _written(main: Scope, *names: str) -> list[Parameter]:
    """Return the first of these parameters that the commit writes, in a list; an empty one for none."""
    return [parameter for parameter in map(main.parameter, names) if parameter][:1]


def _passwd_in_jail(main: Scope) -> bool:
    """Return whether Debian's script copies the users into a chroot, which needs its folder etc."""
    jailed = any(service.chroot == "y" for service in main.merged.distinct)
    users = main.value("local_recipient_maps")
    return jailed and bool(main.facts.files.get(START_SCRIPT)) and _PASSWD in users and f"proxy:{_PASSWD}" not in users


def _files(main: Scope) -> Iterator[tuple[Parameter, str, str]]:
    """Yield the files that a start reads, each with what happens without it."""
    if instances := main.parameter("multi_instance_directories"):
        for folder in main.words(instances.name):
            then = "postfix(1) and postmulti(1) would start no instance at all, this one included"
            yield instances, f"{posixpath.normpath(folder)}/main.cf", then
    for name, files in _OF_A_START.items():
        for parameter in _written(main, name):
            for file in files:
                yield parameter, f"{main.value(name)}/{file}", "a start needs it, and would fail"


def _instances(main: Scope) -> Iterator[Finding]:
    """Check that postfix(1) knows by which program it starts several instances."""
    parameter = main.parameter("multi_instance_directories")
    if parameter and main.words(parameter.name) and not main.value("multi_instance_wrapper"):
        what = (
            f"{parameter.name} needs multi_instance_wrapper, or `postfix start` fails; write"
            " multi_instance_wrapper: ${command_directory}/postmulti -p --"
        )
        yield main.finding("next-start", parameter, what, "multi_instance_wrapper")
    if parameter and main.words(parameter.name) and main.facts.is_default and not main.parameter(_ENABLE):
        what = (
            f"{parameter.name} needs {_ENABLE}: with several instances, each starts only if it says so, this one"
            f" included; write {_ENABLE}: yes"
        )
        yield main.finding("next-start", parameter, what, _ENABLE)


def _log(main: Scope) -> Iterator[Finding]:
    """Check that the service is there which writes Postfix's own log."""
    parameter = main.parameter("maillog_file")
    if parameter and main.value("maillog_file") and "postlog/unix-dgram" not in main.merged.services:
        what = "maillog_file needs the service postlog/unix-dgram, which is missing: a start would fail"
        yield main.finding("next-start", parameter, what, "postlog/unix-dgram")


def _origin(main: Scope) -> Iterator[Finding]:
    """Check that Debian's start script accepts the domain of local mail."""
    parameter, origin = main.parameter("myorigin"), main.value("myorigin").lower()
    if parameter and origin in _REFUSED_ORIGINS and main.facts.files.get(START_SCRIPT):
        what = f'myorigin is "{origin}": Debian\'s {START_SCRIPT} refuses to start Postfix with it'
        yield main.finding("next-start", parameter, what, origin, lasting=False)


EXPLAINED = {
    "next-start": (
        "Postfix runs with this change after a reload, but its next start would fail, at the latest when the host "
        "boots. A start needs more than a reload: a folder for its lock that mail_owner can write, a queue that every "
        "user can reach, the programs that make up a start, a log file with its service, and on Debian a domain that "
        "the start script accepts. With several instances it needs the main.cf of each of them, "
        "multi_instance_wrapper and multi_instance_enable. Make what the finding names, or correct the setting. "
        "reconciler checks it again at every pass."
    ),
}
PASSING = frozenset(EXPLAINED)
