"""Postfix's manual of its parameters, postconf(5), as the package installs it: what one of them means, in a sentence.

Raises nothing: where the page is not installed, or says nothing of a parameter, the answer is empty.
"""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import SPACE, split_words

if TYPE_CHECKING:
    from pathlib import Path

_PAGES = ("man5/postconf.5.gz", "man5/postconf.5")
_FONT, _ESCAPED = re.compile(r"\\f(?:\(..|.)"), re.compile(r"\\([-e&'\\ ])")
_PLAIN = {"-": "-", "e": "\\", "&": "", "'": "'", "\\": "\\", " ": " "}
_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)(?<!\betc)\.(?=\s+\S|\Z)", re.ASCII)


def meaning(name: str, directory: Path) -> str:
    """The first sentence about a parameter; *directory* is where Postfix's manual pages are."""
    for page in _PAGES:
        path = directory / page
        try:
            text = gzip.decompress(path.read_bytes()) if page.endswith(".gz") else path.read_bytes()
        except (OSError, EOFError, ValueError):
            continue
        return first_sentence(text.decode("utf-8", "replace"), name)
    return ""


def first_sentence(page: str, name: str) -> str:
    """The first sentence of a parameter's section in that troff text, as plain words."""
    found = re.search(rf"^\.SH {re.escape(name)} \(default: .*$\n((?:[^.\n].*\n)+)", page, re.MULTILINE)
    if not found:
        return ""
    plain = _ESCAPED.sub(lambda match: _PLAIN[match[1]], _FONT.sub("", found[1]))
    return _END.split(" ".join(split_words(plain)), maxsplit=1)[0].strip(SPACE) + "."
