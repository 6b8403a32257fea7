"""Several Postfix instances on one host: each must have places of its own, and start with the host as before.

postmulti(1), which also systemd calls on Debian, starts no instance at all while two of them share a queue, a
data_directory or a name. Every finding is of the moment, and depends on what the other instances say now. Raises
nothing.

Known limit: an instance that neither the default instance nor settings of reconciler name is not known.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from reconciler.model import UNWRITTEN, Finding, Parameter, nothing_mentioned
from reconciler.postfix.scopes import Scope, every_scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts

LIST, NAME, ENABLE = "multi_instance_directories", "multi_instance_name", "multi_instance_enable"
_THEN = {
    "queue_directory": "two mail systems can't share a queue",
    "data_directory": "the second master could not make its lock there, nor start",
    NAME: "postmulti(1) would start no instance at all",
}


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check what the instances of this host need of each other."""
    main = Scope(merged, facts)
    yield from _conflicts(main)
    if facts.is_default:
        yield from _left_out(main)
        return
    yield from _companions(main)
    yield from _log_name(main)
    if facts.is_listed:
        yield from _at_boot(main)


def _setting(main: Scope, name: str) -> Parameter:
    """Return the setting of a parameter, or its default, which has no place."""
    return main.parameter(name) or Parameter(name, main.facts.parameters.get(name, ""), UNWRITTEN)


def _conflicts(main: Scope) -> Iterator[Finding]:
    """Yield the places and the name that another instance has."""
    for other in main.facts.instances:
        folders = {posixpath.normpath(one) for one in (other.queue, other.data, other.directory) if one}
        taken = {"queue_directory": folders, "data_directory": folders, NAME: {other.name} - {""}}
        for name, values in taken.items():
            value = posixpath.normpath(main.value(name))
            if value in values:
                what = f'{name}: "{value}" is that of the instance {other.directory}: {_THEN[name]}'
                yield main.finding("instance-conflict", _setting(main, name), what, other.directory, lasting=False)


def _left_out(main: Scope) -> Iterator[Finding]:
    """Yield the instances that the default one would not start."""
    listed = {posixpath.normpath(word) for word in main.words(LIST)}
    for other in main.facts.instances:
        if not other.enabled or other.directory in listed:
            continue
        if other.listed:
            what = (
                f"{LIST} leaves out {other.directory}, which Postfix would no longer start with the host; list it, or"
                f" write {ENABLE} = no for that instance first"
            )
            yield main.finding("unlisted-instance", _setting(main, LIST), what, other.directory, lasting=False)
        else:
            what = f"{LIST} leaves out {other.directory}, so that Postfix does not start it with the host; list it"
            yield main.warning("unlisted-instance", _setting(main, LIST), what, other.directory, lasting=False)


def _at_boot(main: Scope) -> Iterator[Finding]:
    """Check that an instance which the default one lists starts with it."""
    if not main.parameter(ENABLE) and not main.is_on(ENABLE):
        what = f"{ENABLE} is missing: Postfix would not start this instance with the host; write {ENABLE}: yes"
        yield main.finding("disabled-instance", _setting(main, ENABLE), what, lasting=False)
    for name in (ENABLE, NAME):
        parameter = main.parameter(name)
        if parameter and "$" in parameter.value:
            what = (
                f'{name}: postmulti(1) reads "{parameter.value}" as it is written, and would start no instance at all;'
                f" write {main.value(name) or 'the value'}"
            )
            yield main.finding("disabled-instance", parameter, what, lasting=False)
    if not main.value(NAME):
        what = f"{NAME} is empty: systemd has no unit for an instance without a name; write {NAME}: postfix-..."
        yield main.warning("disabled-instance", _setting(main, NAME), what, NAME, lasting=False)


def _log_name(main: Scope) -> Iterator[Finding]:
    """Warn if the lines of two instances look alike in the mail log of the host."""
    own = main.value("syslog_name")
    is_alone = main.value("maillog_file") or not main.facts.instances
    for scope in () if is_alone else every_scope(main.merged, main.facts):
        option = next((one for one in scope.written if one.name == "syslog_name"), None)
        parameter, tag = (
            option or (None if scope.service else _setting(main, "syslog_name")),
            scope.value("syslog_name"),
        )
        other = next((one for one in main.facts.instances if f"{tag}/".startswith(f"{one.tag}/")), None)
        if parameter and other and not (scope.service and f"{tag}/".startswith(f"{own}/")):
            what = (
                f'syslog_name: "{tag}" looks in the mail log like the instance {other.directory}, whose daemon would'
                f" take its faults for its own; write {_better(parameter.value)}"
            )
            yield scope.warning("instance-conflict", parameter, what, other.directory, lasting=False)


def _better(written: str) -> str:
    _, slash, service = written.partition("/")
    return f"syslog_name=${NAME}/{service}" if slash else f"{NAME}: postfix-..."


def _companions(main: Scope) -> Iterator[Finding]:
    """Refuse what exists once on a host."""
    for companion in main.merged.companions.values():
        what = (
            f"{companion.name} exists once on a host, and belongs to the default instance; set it up in the branch of"
            " that instance, and name it here in parameters"
        )
        yield Finding(rule="one-per-host", where=companion.where, text=what, subject=companion.name, lasting=False)


mentioned = nothing_mentioned
EXPLAINED = {
    "instance-conflict": (
        "Two Postfix instances of this host have the same queue_directory, data_directory, multi_instance_name or "
        "syslog_name. With the same folder or name, `postfix start` and systemd start neither of them. With the same "
        "syslog_name, their lines in the mail log look alike. Give this instance its own. An instance postfix-NAME "
        "usually has the folders /var/spool/postfix-NAME and /var/lib/postfix-NAME."
    ),
    "unlisted-instance": (
        "The default instance starts the instances in its multi_instance_directories, and no other one. Without its "
        "entry, an instance runs until it is stopped, and does not come back when the host boots. Put its "
        "configuration directory into the list. To retire an instance, first write multi_instance_enable: no in its "
        "own branch."
    ),
    "disabled-instance": (
        "Postfix starts an instance with the host only if it has multi_instance_enable = yes, and systemd only if it "
        "has a multi_instance_name that begins with postfix-. The default of multi_instance_enable is no. Write both, "
        "and without $names, which postmulti(1) does not expand here. "
        "For an instance that is not to start, write multi_instance_enable: no."
    ),
    "one-per-host": (
        "PostSRSd, rspamd and the firewall exist once on a host, and the default instance manages them. Two instances "
        "would overwrite each other's files. Write the section in the branch of the default instance. This instance "
        "can use the same program: name it in parameters, for example sender_canonical_maps or smtpd_milters."
    ),
}
PASSING = frozenset(EXPLAINED)
