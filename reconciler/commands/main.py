"""The entry point: the group of all commands.

Exit status: 64 wrong usage, 70 a bug in reconciler, 77 not permitted, 78 settings that can't be read; each command's
help lists the others. Every command except run works without the daemon. A command's module is imported when it is
called, because the libraries of a pass take longer to import than `status` takes to answer.
"""

from __future__ import annotations

import gc
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import click

from reconciler import __version__
from reconciler.commands.console import Context, Reconciler, keep_examples
from reconciler.host.instances import file_of
from reconciler.model.errors import BadSettings

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class CommandPlace(NamedTuple):
    """Where a command is, below this package, and what it does in one sentence."""

    where: str
    does: str


PURPOSES: dict[str, dict[str, CommandPlace]] = {
    "See the state": {
        "status": CommandPlace("status.status_command", "Show whether you must act, and what is live."),
        "log": CommandPlace("log.log_command", "Show how passes ended, and who edited what by hand."),
        "why": CommandPlace("why.why_command", "Show where a parameter's value comes from."),
        "get": CommandPlace("why.get_command", "Show a parameter's live value."),
        "generations": CommandPlace("generations.generations_command", "List the generations on disk."),
        "diff": CommandPlace("diff.diff_command", "Show how generations or commits differ."),
        "help": CommandPlace("help.help_command", "Show a page of the documentation."),
        "explain": CommandPlace("explain.explain_command", "Explain a rule, and what to do about its findings."),
        "probe": CommandPlace("probe.command.probe_command", "Test whether a server accepts mail from this host."),
    },
    "Try a change": {
        "check": CommandPlace("check.check_command", "Check a commit or a folder, and list all findings."),
        "plan": CommandPlace("plan.plan_command", "Show what a commit would change here."),
        "facts": CommandPlace("facts.facts_command", "Write this host's facts, to check commits elsewhere."),
        "schema": CommandPlace("schema.schema_command", "Write the JSON Schema of the YAML files, for editors."),
    },
    "Change mail by a commit": {
        "set": CommandPlace("set.set_command", "Set a parameter."),
        "site": CommandPlace("site.site_group", "List and remove sites."),
        "smart-host": CommandPlace("smart_host.smart_host_group", "Send outbound mail through another server."),
        "secret": CommandPlace("secret.secret_group", "Manage encrypted secrets in a clone."),
        "dkim": CommandPlace("dkim.dkim_group", "Make and roll the keys that sign mail."),
        "dns": CommandPlace("dns.dns_group", "Show, compare and publish DNS records."),
    },
    "Act on this host": {
        "once": CommandPlace("once.once_command", "Make one pass, or adopt this host."),
        "fetch": CommandPlace("fetch.fetch_command", "Fetch the branch from the remote now."),
        "confirm": CommandPlace("suspend.confirm_command", "Keep the commit that waits for a confirmation."),
        "rollback": CommandPlace("rollback.rollback_command", "Roll back to an earlier generation."),
        "suspend": CommandPlace("suspend.suspend_command", "Apply no push and revert no hand edit for a while."),
        "resume": CommandPlace("suspend.resume_command", "End a suspension or a halt."),
        "rescue": CommandPlace("rollback.rescue_command", "Restore the files from before adoption."),
    },
    "Set up": {
        "import": CommandPlace("move_in.import_command", "Make the first commit from this host's Postfix."),
        "init": CommandPlace("init.init_command", "Make a bare repository for the desired state."),
        "run": CommandPlace("run.run_command", "Run the daemon."),
    },
}
"""All commands by the purpose of the person who calls them. Their sentences are here, so that help imports none."""
COMMANDS = {name: place for commands in PURPOSES.values() for name, place in commands.items()}


class Commands(Reconciler):
    """The group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """Return the names of all commands, also of those that are not imported yet."""
        return sorted(COMMANDS)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin so, without importing them, and the options."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell asks

        begun = [
            CompletionItem(name, help=place.does) for name, place in COMMANDS.items() if name.startswith(incomplete)
        ]
        return begun + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """List the commands by purpose."""
        for purpose, commands in PURPOSES.items():
            with formatter.section(purpose):
                formatter.write_dl([(f"{name:<11}", place.does) for name, place in commands.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported if this is its first use."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.add_command(imported(cmd_name))
        return super().get_command(ctx, cmd_name)


def imported(name: str) -> click.Command:
    """Import a command without garbage collections: modules stay, and each collection would look at all of them."""
    module, _, attribute = COMMANDS[name].where.rpartition(".")
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        command = cast("click.Command", getattr(import_module(f"reconciler.commands.{module}"), attribute))
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
    command.short_help = COMMANDS[name].does
    keep_examples(command)
    return command


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--settings",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Read this file instead of /etc/reconciler.toml.",
)
@click.option(
    "--instance", metavar="NAME", help="Work on the Postfix instance postfix-NAME, by /etc/reconciler/NAME.toml."
)
@click.version_option(__version__, prog_name="reconciler")
@click.pass_context
def main(context: click.Context, file: Path | None, instance: str | None) -> None:
    r"""Keep this host's Postfix equal to a git branch.

    A commit that would break mail is refused; a commit that breaks mail after it went live is rolled back.

    \b
    Examples:
      reconciler status              show what is live, and what you must do
      reconciler plan                show what the branch would change here
      reconciler once --adopt        hand this host's Postfix over to reconciler
      git push                       make every later change
    """
    if file and instance:
        raise click.UsageError("give either --settings or --instance")
    try:
        context.obj = Context(file_of(instance) if instance else file)
    except BadSettings as error:
        raise click.UsageError(str(error)) from None
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
