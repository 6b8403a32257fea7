"""bounce(8)'s templates: whether it can use those of a staged directory, as ``postconf -b`` tells.

Promises: each complaint is a finding at its line of the commit's file: a warning where bounce(8) would use its own text
instead, an error where it would die at each bounce. No other check reads the file. Of a file that not every user may
read, nothing is quoted. Raises CommandFailed as Host.run() does.

Known limit: a complaint about a template is at the line of its end, as Postfix counts.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from reconciler.model import Finding, Severity, Where
from reconciler.model.ascii_text import SPACE, split_lines
from reconciler.postfix.scopes import CONFIG_DIRECTORY, scopes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from reconciler.host.effects import Host
    from reconciler.model import Contribution, DeployedFile, Facts

PARAMETER = "bounce_template_file"
_UNQUOTED = "bounce(8) can't use this template; `postconf -b FILE` shows why"
_SAID = re.compile(r"\S+: (?P<kind>warning|error|fatal|panic): (?P<text>.*)", re.ASCII)
_LINE = re.compile(r"(?:, line (?P<line>\d{1,9}))?: ", re.ASCII)


def templates(origin: Contribution, facts: Facts) -> list[DeployedFile]:
    """Return the files of the commit that bounce(8) reads."""
    named = {
        os.path.normpath((scope.expanded(one.value) or "").replace(CONFIG_DIRECTORY, facts.directory))
        for scope in scopes(origin, facts)
        for one in scope.written
        if one.name == PARAMETER
    }
    return [made for path, made in sorted(origin.files.items()) if f"{facts.directory}/{path}" in named]


def check(host: Host, folder: Path, files: Iterable[DeployedFile]) -> list[Finding]:
    """Have Postfix read the templates, which are in *folder* with its main.cf."""
    return [finding for made in files for finding in _of(host, folder, made)]


def _of(host: Host, folder: Path, made: DeployedFile) -> Iterator[Finding]:
    path = str(folder / made.path)
    lines = dict.fromkeys(split_lines(host.run(("postconf", "-c", str(folder), "-b", path)).stderr))
    for said in filter(None, map(_SAID.match, lines)):
        _, is_named, rest = said["text"].partition(path)
        number, what = _LINE.match(rest) if is_named else None, said["text"]
        text = rest[number.end() :] if number else what.replace(f"{folder}/", "")
        where = _place(int(number["line"] or 0) if number else 0, text, made)
        severity = Severity.WARNING if said["kind"] == "warning" else Severity.ERROR
        shown = _UNQUOTED if made.is_secret else text.strip(SPACE)
        yield Finding(rule="bounce-template", where=where, text=shown, subject=made.path, severity=severity)


def _place(line: int, text: str, made: DeployedFile) -> Where:
    """Return the line that a complaint names, or whose text it quotes."""
    if line:
        return made.at(min(line, made.content.count(b"\n") or 1))
    lines = enumerate(split_lines(made.content.decode("utf-8", "replace")), 1)
    return made.at(next((number for number, one in lines if one.strip(SPACE) and one.strip(SPACE) in text), 1))
