"""The entry point: the group of all commands.

Exit status: 64 wrong usage, 70 a bug in reconciler, 77 not permitted, 78 settings that can't be read; each command's
help lists the others. Every command except run works without the daemon.
"""

from __future__ import annotations

from pathlib import Path

import click

from reconciler import __version__
from reconciler.commands.check import check_command
from reconciler.commands.console import Context, Reconciler
from reconciler.commands.dkim import dkim_group
from reconciler.commands.dns import dns_group
from reconciler.commands.explain import explain_command
from reconciler.commands.init import init_command
from reconciler.commands.log import log_command
from reconciler.commands.once import once_command
from reconciler.commands.plan import plan_command
from reconciler.commands.probe.command import probe_command
from reconciler.commands.rollback import rescue_command, rollback_command
from reconciler.commands.run import run_command
from reconciler.commands.secret import secret_group
from reconciler.commands.set import set_command
from reconciler.commands.site import site_group
from reconciler.commands.smart_host import smart_host_group
from reconciler.commands.status import status_command
from reconciler.commands.suspend import confirm_command, resume_command, suspend_command
from reconciler.commands.why import get_command, why_command


@click.group(cls=Reconciler, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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


for own in (
    check_command, plan_command, status_command, log_command, once_command, run_command, rollback_command,
    rescue_command, suspend_command, confirm_command, resume_command, init_command,
):  # fmt: skip
    main.add_command(own)
main.add_command(secret_group)
main.add_command(explain_command)
for command in (
    probe_command, why_command, get_command, set_command, smart_host_group, site_group, dkim_group, dns_group,
):  # fmt: skip
    main.add_command(command)
