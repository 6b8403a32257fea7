"""Commits as texts by their paths: what they load as, or why they do not load."""

from __future__ import annotations

import pytest

from reconciler.desired.load import load
from reconciler.features import parameters
from reconciler.model import Desired, File, Finding, Secret
from reconciler.model.errors import InvalidSource


def file_tree(files: dict[str, str]) -> dict[str, File]:
    """Return the files of a commit."""
    return {path: File.of(text.encode()) for path, text in files.items()}


def load_commit(mail: str, **files: str) -> Desired:
    """Load a commit on a host that knows the secret `relay`."""
    return load(file_tree({"mail.yaml": mail} | files), "mx1", {"relay": Secret("relay", "geheim")})


def load_findings(mail: str | None, files: dict[str, str] | None = None) -> list[Finding]:
    """Return the reasons why a commit does not load."""
    everything = ({} if mail is None else {"mail.yaml": mail}) | (files or {})
    with pytest.raises(InvalidSource) as raised:
        load(file_tree(everything), "mx1", {})
    return list(raised.value.findings)


def parameter_in(desired: Desired, name: str) -> str:
    """Return the text that a commit gives a parameter."""
    section = desired.section(parameters.Schema)
    assert section
    return section.root[name]
