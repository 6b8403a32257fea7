"""``reconciler why`` and ``reconciler get`` show a live value, its origin, its commit and the value before.

They read the live state, never a commit that was only pushed, and change nothing. Exit status: 64 for an unknown
parameter or service, with the likely intent.

Known limits: the value before comes from the generations on disk, so an older change is not shown. A commit that only
moved or indented a line counts as its author. The order of commits of the same second is unknown.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from reconciler.commands.account import Account, Origin, Unknown, default_of, options_of, service_named
from reconciler.commands.console import Context, say_all
from reconciler.desired.overrides import key_of, overridden
from reconciler.desired.yaml_reader import spans
from reconciler.host.facts import gather
from reconciler.host.programs import manual
from reconciler.model import printable
from reconciler.model.errors import ReconcilerError
from reconciler.passes.apart import files_of
from reconciler.passes.understand import understand
from reconciler.postfix.syntax import one_line, read_main, read_master
from reconciler.postfix.vocabulary import PER_SERVICE
from reconciler.state.source import SourceKind
from reconciler.trees.plan import MAIN, MASTER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.apply.edges import Edges
    from reconciler.model import Contribution, Desired, Facts, Parameter, Revision, Service, Tree, Where
    from reconciler.state.manifest import Generation


@click.command("why")
@click.argument("parameter", metavar="PARAMETER[@SERVICE]")
@click.option("--json", "json_output", is_flag=True, help="Machine-readable output, stable.")
@click.pass_obj
def why_command(context: Context, parameter: str, *, json_output: bool) -> None:
    r"""Show where a live value comes from.

    Shows the section, line and commit that set it, the value before, and the services that override it.

    \b
    Examples:
      reconciler why smtp_tls_security_level
      reconciler why smtp_helo_name@mydomain.com-out/unix     as an option of that service
      reconciler why smtpd_tls_security_level@submission      the type can be omitted
    """
    account = _asked(context, parameter)
    _show(account, list(account.why_lines()), json_output=json_output)


@click.command("get")
@click.argument("parameter", metavar="NAME[@SERVICE]")
@click.option("--json", "json_output", is_flag=True, help="Machine-readable output, stable.")
@click.pass_obj
def get_command(context: Context, parameter: str, *, json_output: bool) -> None:
    r"""Show a parameter's live value.

    Also shows Postfix's default, the meaning from postconf(5), and where the value is written.

    \b
    Examples:
      reconciler get relayhost
      reconciler get smtpd_banner --json | jq -r .value
    """
    account = _asked(context, parameter)
    _show(account, list(account.get_lines()), json_output=json_output)


def _show(account: Account, lines: list[str], *, json_output: bool) -> None:
    if json_output:
        click.echo(json.dumps(account.data))
    else:
        say_all(lines)


def _asked(context: Context, parameter: str) -> Account:
    name, at, service = parameter.partition("@")
    if not name or (at and not service):
        raise click.UsageError(f'expected PARAMETER or PARAMETER@SERVICE, got "{printable(parameter)}"')
    try:
        return account_of(name, service, context.permitted())
    except Unknown as error:
        raise click.UsageError(printable(str(error))) from error


# ---- reading ---------------------------------------------------------------------------------------------------------


class _Text(NamedTuple):
    """The content of a configuration directory."""

    main: Mapping[str, Parameter]
    services: tuple[Service, ...]

    @classmethod
    def of(cls, root: Path) -> _Text:
        return cls(read_main(_read(root / MAIN), MAIN)[0], tuple(read_master(_read(root / MASTER), MASTER)[0]))

    def parameter(self, name: str, service: str) -> Parameter | None:
        """The value that holds for that service, or in main.cf."""
        options = [option for one in self.services if one.key == service for option in one.overrides]
        return next((option for option in reversed(options) if option.name == name), self.main.get(name))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


class _Said(NamedTuple):
    """A commit, and what it renders to on this host."""

    revision: Revision
    files: Tree
    desired: Desired
    facts: Facts
    merged: Contribution

    def parameter(self, name: str, service: str) -> Parameter | None:
        """The value that holds for that service, or in main.cf."""
        options = [option for one in self.merged.entries if one.key == service for option in one.overrides]
        return next((option for option in reversed(options) if option.name == name), self.merged.parameters.get(name))


def account_of(name: str, service: str, edges: Edges) -> Account:
    """Return everything known about a live value; raises Unknown."""
    text, live = _Text.of(edges.settings.config_directory), edges.generations.live()
    said = _said(live, edges)
    facts = said.facts if said else gather(edges.host, edges.settings)
    key = service_named(service, {one.key for one in text.services}) if service else ""
    default = default_of(name, facts, text.main, text.services)
    there = text.parameter(name, key)
    overrides = overridden(said.desired, said.facts) if said else []
    origin = _origin(name, key, there, live, edges)
    return Account(
        name=name, service=key, default=default, origin=origin,
        before=_before(name, key, there.value if there else None, live, edges),
        overrides=next((one for one in overrides if one.above.name == name and one.above.where == origin.where), None),
        elsewhere={} if key else options_of(name, text.services),
        meaning=_meaning(name, facts),
    )  # fmt: skip


def _said(generation: Generation | None, edges: Edges) -> _Said | None:
    """Return the commit of a generation; None if it has no commit, or if the commit can no longer be read."""
    known = {one.number: one for one in edges.generations.all()}
    while generation and not generation.revision and (number := _rolled_back_to(generation)) is not None:
        generation = known.get(number)
    if generation is None or not generation.revision:
        return None
    try:
        revision = edges.repo.revision(generation.revision)
        return _Said(revision, files_of(revision, edges), *understand(revision, edges))
    except ReconcilerError:
        return None


def _rolled_back_to(generation: Generation) -> int | None:
    """Return the generation whose files a rollback restored; None for every other source."""
    return generation.source.number if generation.source.kind is SourceKind.ROLLBACK else None


def _made_of(generation: Generation | None) -> str:
    """Return the origin of a generation without a readable commit."""
    if generation is None:
        return "not adopted: no commit sets it"
    return f"commit {generation.revision[:7]} can't be read" if generation.revision else str(generation.source)


def _origin(name: str, service: str, there: Parameter | None, generation: Generation | None, edges: Edges) -> Origin:
    """Return the origin of the value that is *there*."""
    said = _said(generation, edges)
    if there is None:
        return Origin(value=None, instead="not set anywhere")
    value = one_line(there.value)
    written = said.parameter(name, service) if said else None
    if said is None or written is None or one_line(written.value) != value:
        return Origin(value=value, where=there.where, instead="edited by hand" if said else _made_of(generation))
    path = key_of(written.where, said.desired)
    if not path:
        return Origin(value=value, key="reconciler", instead=f"the default when nothing is written ({written.section})")
    return Origin(
        value=value, key=".".join(path), where=written.where, commit=_commit(path, written.where, said, edges)
    )


def _commit(path: tuple[str, ...], where: Where, said: _Said, edges: Edges) -> Revision | None:
    """Return the newest commit that changed the lines of a value."""
    first = last = where.line
    if where.file.endswith((".yaml", ".yml")):
        text = said.files[where.file].read().decode()
        if span := spans(text).get(path):
            first, last = (text.count("\n", 0, at) + 1 for at in (span.key, max(span.key, span.end - 1)))
    return edges.repo.blame(said.revision.oid, where.file, first, last)


def _before(name: str, service: str, value: str | None, live: Generation | None, edges: Edges) -> Origin | None:
    """Return the value in the newest generation where it was different."""
    for one in edges.generations.all():
        if live is None or one.number >= live.number or not (one.root / MAIN).is_file():
            continue
        text = _Text.of(one.root)
        if service and service not in {known.key for known in text.services}:
            return None
        there = text.parameter(name, service)
        if (one_line(there.value) if there else None) == (None if value is None else one_line(value)):
            continue
        found = _origin(name, service, there, one, edges)
        if found.commit is None:
            return Origin(value=found.value, key=found.key, instead=f"generation {one.number} ({one.name})")
        return found
    return None


def _meaning(name: str, facts: Facts) -> str:
    directory = Path(facts.parameters.get("manpage_directory", "/usr/share/man"))
    suffix = next(
        (suffix for suffix in PER_SERVICE if name not in facts.parameters and name.endswith(f"_{suffix}")), ""
    )
    return manual.meaning(f"transport_{suffix}" if suffix else name, directory)
