"""``reconciler explain`` prints what a rule means.

With a rule, it needs neither settings nor a repository. Raises click.UsageError for an unknown rule.
"""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING

import click

from reconciler.commands.console import Context, say, say_all
from reconciler.commands.options import pass_context
from reconciler.desired.explanations import explanations
from reconciler.model import did_you_mean
from reconciler.model.errors import ReconcilerError
from reconciler.trees.report import ALIKE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconciler.model import Finding

WIDTH = 78


@click.command("explain")
@click.argument("rule", required=False, shell_complete=lambda _ctx, _param, typed: _begun(typed))
@click.option("--all", "every", is_flag=True, help="List all rules.")
@click.option("--json", "json_output", is_flag=True, help="Machine-readable output, stable.")
@click.option("--markdown", is_flag=True, help="Print all rules in the format of docs/rules.md.")
@pass_context
def explain_command(context: Context, rule: str | None, *, every: bool, json_output: bool, markdown: bool) -> None:
    r"""Explain a rule.

    Shows what the rule means, what Postfix would do, and how to fix the error. Without RULE, shows and explains the
    findings of the last pass, if there are any and you are root, and else lists all rules.

    \b
    Examples:
      reconciler explain alias-loop
      reconciler explain             the findings of the last pass
      reconciler explain --all | grep table
    """
    if every and rule:
        raise click.UsageError("give RULE or --all, not both")
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
        _explain(rule, known)
    elif found := {} if every else _found(context, known):
        for one, findings in found.items():
            _explain(one, known, findings)
            say()
        say("`reconciler explain --all` lists all rules.")
    else:
        longest = max(map(len, known))
        say_all(f"{name:<{longest}}  {first_sentence(text)}" for name, text in known.items())


def _begun(typed: str) -> list[str]:
    return [name for name in explanations() if name.startswith(typed)]


def _explain(rule: str, known: Mapping[str, str], findings: Sequence[Finding] = ()) -> None:
    say(f"{rule}\n")
    if findings:
        more = len(findings) - ALIKE
        say_all(f"  {one}" for one in findings[:ALIKE])
        say_all([f"  and {more} more; `reconciler log -v` shows them all"] if more > 0 else [])
        say()
    say_all(f"  {line}" for line in textwrap.wrap(known[rule], WIDTH - 2))


def _found(context: Context, known: Collection[str]) -> dict[str, list[Finding]]:
    """Return the findings of the last pass on record by their rules, errors first; none if that can't be read."""
    try:
        last = context.journal().last()
    except (ReconcilerError, OSError):
        return {}
    findings = sorted(getattr(last.outcome, "findings", ()), key=lambda one: not one.is_error) if last else []
    rules = [rule for rule in dict.fromkeys(one.rule for one in findings) if rule in known]
    return {rule: [one for one in findings if one.rule == rule] for rule in rules}


def first_sentence(text: str) -> str:
    """Return a rule's subject in one line."""
    return re.split(r"[.:] ", text)[0].rstrip(".")


def as_markdown() -> str:
    """Return a page with a section for each rule."""
    head = "# The rules\n\nWhat `reconciler explain RULE` says. `# allow RULE: why` at a line allows it there.\n"
    sections = (f"\n## {name}\n\n{textwrap.fill(text, 120)}\n" for name, text in explanations().items())
    return head + "".join(sections)
