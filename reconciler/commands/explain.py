"""``reconciler explain`` prints what a rule means.

It needs neither settings nor a repository. Raises click.UsageError for an unknown rule.
"""

from __future__ import annotations

import json
import re
import textwrap

import click

from reconciler.commands.console import say, say_all
from reconciler.desired.explanations import explanations
from reconciler.model import did_you_mean

WIDTH = 78


@click.command("explain")
@click.argument("rule", required=False)
@click.option("--json", "json_output", is_flag=True, help="Machine-readable output, stable.")
@click.option("--markdown", is_flag=True, help="Print all rules in the format of docs/rules.md.")
def explain_command(rule: str | None, *, json_output: bool, markdown: bool) -> None:
    r"""Explain a rule.

    Shows what the rule means, what Postfix would do, and how to fix the error. Without RULE, lists all rules.

    \b
    Examples:
      reconciler explain alias-loop
      reconciler explain | grep table
    """
    if markdown and (rule or json_output):
        raise click.UsageError("use --markdown without RULE and --json")
    known = explanations()
    if rule and rule not in known:
        raise click.UsageError(f'there is no rule "{rule}"{did_you_mean(rule, known)}')
    if json_output:
        chosen = [rule] if rule else list(known)
        click.echo(json.dumps([{"rule": name, "text": known[name]} for name in chosen]))
    elif markdown:
        click.echo(as_markdown(), nl=False)
    elif rule:
        say(f"{rule}\n")
        say_all(f"  {line}" for line in textwrap.wrap(known[rule], WIDTH - 2))
    else:
        longest = max(map(len, known))
        say_all(f"{name:<{longest}}  {first_sentence(text)}" for name, text in known.items())


def first_sentence(text: str) -> str:
    """Return a rule's subject in one line."""
    return re.split(r"[.:] ", text)[0].rstrip(".")


def as_markdown() -> str:
    """Return a page with a section for each rule."""
    head = "# The rules\n\nWhat `reconciler explain RULE` says. `# allow RULE: why` at a line allows it there.\n"
    sections = (f"\n## {name}\n\n{textwrap.fill(text, 120)}\n" for name, text in explanations().items())
    return head + "".join(sections)
