"""The settings that let the author of a commit act as root, or as another user of the host: one list of them.

None of them is an error, and a pipe service for mailing lists is normal. Each gives its author more than mail, so a
plan names those that it adds or changes. According to postconf(5), local(8), pipe(8), spawn(8) and master(5) of Postfix
3.7. Raises nothing.

Known limits: entries of transport tables that use a pipe service are not in the list, because the service itself is.
Tables outside of the commit, such as /etc/aliases, are not read.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Service
from reconciler.model.past import PastOfEach
from reconciler.postfix.alike import of_all, with_alike
from reconciler.postfix.references import own_name, table_inside, tables_of
from reconciler.postfix.routes import TRANSPORT_MAPS, TRANSPORTS, destinations, transport_of
from reconciler.postfix.scopes import Scope, scopes, words
from reconciler.postfix.syntax import one_line
from reconciler.postfix.tables import Entries
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model import Contribution, Facts, Parameter, Table, Where

ROOT = "makes its author root"
RECIPIENT = "runs commands as the recipient's user"
LINKED = "decides what other programs read outside of Postfix's folder"
_LISTED = "runs what a file outside of the commit says, with the rights of the file's owner"
# Programs, scripts and folders of programs or shared objects that root uses.
_RUN_BY_ROOT = names(
    """
    command_directory daemon_directory debugger_command mailq_path maillog_file_compressor maillog_file_prefixes
    meta_directory multi_instance_directories multi_instance_wrapper newaliases_path openssl_path sendmail_path
    shlib_directory
    """
)
_RUN_BY_RECIPIENT = names(
    "command_expansion_filter forward_path local_command_shell mailbox_command mailbox_command_maps"
)
_EXTRA_RIGHTS = names("allow_mail_to_commands allow_mail_to_files")
_OF_LOCAL = names("fallback_transport fallback_transport_maps mailbox_transport mailbox_transport_maps")
_MAILBOXES = names("virtual_mailbox_base virtual_minimum_uid virtual_uid_maps")
_COMMANDS, _ALIASES = "mailbox_command_maps", "alias_maps"
TABLES = frozenset({_ALIASES, _COMMANDS, *(_OF_LOCAL & TRANSPORT_MAPS)})
"""The parameters whose tables can have such entries."""
# Scripts in daemon_directory, and the master, which takes the folder of another configuration.
_NO_SERVICES = re.compile(r"master|post-install|.*(?:-script|-wrapper|\.sh)")
_DEBUGGED = re.compile(r"-[A-Za-z]*D[A-Za-z]*")
# A name without a value comes from the environment of the daemon, which no commit decides.
_HARMLESS = re.compile(r"\w+|(?:TZ|LANG|LC_[A-Z]+)=[^/]*", re.ASCII)
_SPOOLS = re.compile(r"(?:/var/mail|/var/spool/mail)(?:/|\Z)")
# Mail for root is written by root, and a file such as .bashrc is run by its owner.
_HIDDEN = re.compile(r"(?:\A|/)\.(?!mail|mbox)(?=.)", re.IGNORECASE | re.DOTALL | re.ASCII)


class Power(NamedTuple):
    """A setting or an entry, and its *effect*: what it lets its author do. *value* tells one version from another."""

    effect: str
    what: str
    value: str
    where: Where

    def __str__(self) -> str:
        return f"this {self.effect}: {self.what} ({self.where})"

    @property
    def is_root(self) -> bool:
        """Return whether it makes its author root."""
        return self.effect == ROOT

    @property
    def identity(self) -> tuple[str, str, str]:
        """Return everything but its place."""
        return self[:3]


_services = PastOfEach[Service, tuple[Power, ...]]()


def powers(merged: Contribution, facts: Facts) -> Iterator[Power]:
    """Yield those of the settings and of the services; tables_with_powers() has the entries of tables."""
    yield from _of_settings([Scope(merged, facts)])
    yield from of_all(lambda some: _of_settings(scopes(some, facts)[1:]), with_alike(merged, facts), merged)
    yield from chain.from_iterable(_services.of(merged.entries, (), _of_service))


# ---- settings --------------------------------------------------------------------------------------------------------


def _of_settings(among: Iterable[Scope]) -> Iterator[Power]:
    return (power for scope in among for parameter in scope.written for power in _of_setting(scope, parameter))


def _of_setting(scope: Scope, parameter: Parameter) -> Iterator[Power]:
    value = one_line(scope.expanded(parameter.value) or parameter.value)
    default = scope.facts.parameters.get(parameter.name)
    unchanged = default is not None and value == one_line(scope.expanded(default) or default)
    if value and not unchanged and (effect := _effect(scope, parameter, value)):
        option = f"{parameter.name} of service {scope.service.key}" if scope.service else parameter.name
        yield Power(effect, option, value, parameter.where)


def _effect(scope: Scope, parameter: Parameter, value: str) -> str:
    """Return what a value that is not the default lets its author do; empty for nothing of this kind."""
    name, default = parameter.name, scope.facts.parameters.get(parameter.name, "")
    if name in _RUN_BY_ROOT or (name == "tls_config_file" and value not in {"default", "none"}):
        return ROOT
    if name in {"import_environment", "export_environment"}:
        new = [word for word in words(value) if word not in words(default) and not _HARMLESS.fullmatch(word)]
        return (ROOT if name == "import_environment" else RECIPIENT) if new else ""
    if name in _EXTRA_RIGHTS:
        return RECIPIENT if {*map(str.lower, words(value))} - {*words(default)} else ""
    if name in _RUN_BY_RECIPIENT:
        return RECIPIENT
    if name == _ALIASES:
        outside = {
            str(one)
            for one in tables_of(scope, parameter)
            if not (own_name(one.name, scope.facts.directory) or table_inside(one))
        }
        return _LISTED if outside - {*words(scope.expanded(default) or "")} else ""
    return _of_mailboxes(name, value) or _of_users(name, value) or _by_pipe(scope, parameter)


def _of_mailboxes(name: str, value: str) -> str:
    """Return the effect of a place that mail is written to."""
    leaves = ".." in value.split("/")
    if name == "home_mailbox" and (leaves or (_HIDDEN.search(value) and not value.endswith("/"))):
        return ROOT
    if name == "mail_spool_directory" and (leaves or not _SPOOLS.match(value)):
        return ROOT
    return "writes mail to files as the users of virtual_uid_maps" if name in _MAILBOXES else ""


def _of_users(name: str, value: str) -> str:
    match name:
        case "default_privs":
            return f"runs commands of aliases as {value}"
        case "mail_owner":
            return f"gives the user {value} the rights of Postfix itself"
        case "setgid_group":
            return f"gives the group {value} access to the queue"
        case "alternate_config_directories":
            return "gives users of the host the rights of setgid_group"
    return ""


def _by_pipe(scope: Scope, parameter: Parameter) -> str:
    """Return the effect of a transport of local(8) that is a pipe service."""
    if parameter.name not in _OF_LOCAL:
        return ""
    return next(filter(None, (_of_transport(scope, value) for value in destinations(scope, parameter))), "")


def _of_transport(scope: Scope, destination: str) -> str:
    service = scope.merged.services.get(f"{transport_of(destination)}/unix")
    return _as_user(service) if service and service.command.rpartition("/")[2] == "pipe" else ""


# ---- services --------------------------------------------------------------------------------------------------------


def _of_service(service: Service) -> tuple[Power, ...]:
    return tuple(_powers_of(service))


def _powers_of(service: Service) -> Iterator[Power]:
    command, line = service.command, " ".join((service.command, *service.arguments))
    what, program = f"service {service.key}", command.rpartition("/")[2]
    if program in {"pipe", "spawn"}:
        yield Power(_as_user(service), what, line, service.where)
    if ".." in command.split("/") or _NO_SERVICES.fullmatch(program):
        yield Power(ROOT, f'the command "{command}" of {what}', line, service.where)
    if any(map(_DEBUGGED.fullmatch, _own_options(service))):
        yield Power(ROOT, f"-D of {what}", line, service.where)


def _own_options(service: Service) -> Iterator[str]:
    """Yield the options of the program itself, without the words of a command that it runs."""
    for word in service.arguments:
        if word.strip("{ ").lower().startswith("argv="):
            return
        yield word


def _as_user(service: Service) -> str:
    given = (word.strip("{ }") for word in _own_options(service))
    user = next((word[5:].partition(":")[0] for word in given if word.lower().startswith("user=")), "")
    return f"runs commands as {user or 'the user that it names'}"


# ---- entries of tables -----------------------------------------------------------------------------------------------


class UsedTable(NamedTuple):
    """A table that the parameter *use* looks up; *name* is empty, and *table* set, if the setting contains it."""

    scope: Scope
    use: Parameter
    name: str
    table: Table | None

    @property
    def identity(self) -> tuple[str, str]:
        """Return the use and the table, by name."""
        return self.use.name, self.name or str(self.table and self.table.source)

    def powers(self) -> Iterator[Power]:
        """Yield those of all its entries."""
        for entry in Entries(self.table) if self.table else ():
            where = self.table.at(entry.line) if self.table and self.name else self.use.where
            yield from self.of_entry(entry.key, entry.value, where)

    def of_entry(self, key: str, value: str, where: Where) -> Iterator[Power]:
        """Yield those of one entry."""
        for effect in _of_entry(self.scope, self.use.name, value):
            yield Power(effect, f'"{key}" in {self.name or self.use.name}', value, where)


def tables_with_powers(merged: Contribution, facts: Facts) -> Iterator[UsedTable]:
    """Yield the tables, in the commit or in a setting, whose entries can be commands, files or pipe services."""
    yield from _tables_in([Scope(merged, facts)])
    yield from of_all(lambda some: _tables_in(scopes(some, facts)[1:]), with_alike(merged, facts), merged)


def _tables_in(among: Iterable[Scope]) -> Iterator[UsedTable]:
    for scope in among:
        for parameter in scope.written:
            for reference in tables_of(scope, parameter) if parameter.name in TABLES else ():
                name = own_name(reference.name, scope.facts.directory) or ""
                yield UsedTable(scope, parameter, name, scope.merged.tables.get(name) or table_inside(reference))


def _of_entry(scope: Scope, use: str, value: str) -> Iterator[str]:
    if use == _COMMANDS:
        yield RECIPIENT
    elif use in TRANSPORTS | TRANSPORT_MAPS:
        yield from filter(None, (_of_transport(scope, value),))
    elif any(mark in value.lower() for mark in ("|", "/", ":include:")):
        user = Scope(scope.merged, scope.facts).value("default_privs")
        for target in _targets(value):
            if target.startswith("|"):
                yield f"runs commands as {user}"
            elif target.startswith("/"):
                yield f"writes files as {user}"
            elif target.lower().startswith(":include:"):
                yield _LISTED


def _targets(value: str) -> list[str]:
    """Return the targets of an alias as local(8) reads them: without quotes, comments, escapes and names of groups."""
    targets, quoted, nested, characters = [""], False, 0, iter(value)
    for character in characters:
        if character == "\\":
            targets[-1] += next(characters, "") if not nested else next(characters, "")[:0]
        elif character == '"' and not nested:
            quoted = not quoted
        elif character in "()" and not quoted:
            nested = max(0, nested + (1 if character == "(" else -1))
        elif quoted or (
            not nested and character not in ",;<> \t\n" and (character != ":" or targets[-1][:1] in ("", ":"))
        ):
            targets[-1] += character
        elif not nested:
            targets.append("")
    return [target for target in targets if target]
