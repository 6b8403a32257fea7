"""The entry point: the group of all commands.

Exit status: 64 wrong usage, 70 a bug in reconciler, 77 not permitted, 78 settings that can't be read; each command's
help lists the others. Every command except run works without the daemon. A command's module is imported when it is
called, and all of them for --help, because the libraries of a pass take longer to import than `status` takes to answer.
"""

from __future__ import annotations

import gc
from importlib import import_module
from pathlib import Path
from typing import cast

import click

from reconciler import __version__
from reconciler.commands.console import Context, Reconciler, keep_examples

COMMANDS = {
    "check": "check.check_command",
    "confirm": "suspend.confirm_command",
    "dkim": "dkim.dkim_group",
    "dns": "dns.dns_group",
    "explain": "explain.explain_command",
    "get": "why.get_command",
    "init": "init.init_command",
    "log": "log.log_command",
    "once": "once.once_command",
    "plan": "plan.plan_command",
    "probe": "probe.command.probe_command",
    "rescue": "rollback.rescue_command",
    "resume": "suspend.resume_command",
    "rollback": "rollback.rollback_command",
    "run": "run.run_command",
    "secret": "secret.secret_group",
    "set": "set.set_command",
    "site": "site.site_group",
    "smart-host": "smart_host.smart_host_group",
    "status": "status.status_command",
    "suspend": "suspend.suspend_command",
    "why": "why.why_command",
}
"""Each command, and its place below this package."""


class Commands(Reconciler):
    """The group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """Return the names of all commands, also of those that are not imported yet."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported if this is its first use."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.add_command(imported(cmd_name))
        return super().get_command(ctx, cmd_name)


def imported(name: str) -> click.Command:
    """Import a command without garbage collections: modules stay, and each collection would look at all of them."""
    module, _, attribute = COMMANDS[name].rpartition(".")
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        command = cast("click.Command", getattr(import_module(f"reconciler.commands.{module}"), attribute))
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
    keep_examples(command)
    return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--settings",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Read this file instead of /etc/reconciler.toml.",
)
@click.version_option(__version__, prog_name="reconciler")
@click.pass_context
def main(context: click.Context, file: Path | None) -> None:
    r"""Keep this host's Postfix equal to a git branch.

    A commit that would break mail is refused; a commit that breaks mail after it went live is rolled back.

    \b
    Examples:
      reconciler status              show what is live, and what you must do
      reconciler plan                show what the branch would change here
      reconciler once --adopt        hand this host's Postfix over to reconciler
      git push                       make every later change
    """
    context.obj = Context(file)
