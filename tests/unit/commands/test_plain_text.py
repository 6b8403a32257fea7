"""The pages of docs/ as text for a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.commands.plain_text import as_plain_text, title_of

PAGES = sorted(Path(__file__).parents[3].glob("docs/*.md"))
PAGE = """\
# The *title* of it

A paragraph with **weight**, `code`, a [page](dns.md), [another](../docs/dkim.md#keys) and
[the web](https://example.com/).

## Steps

* one step that is
  long
* another
1. first

    code stays
      as it is

    also after a gap

| Key | Meaning |
|---|---|
| `a` | short |
| `b` | |

```bash
reconciler status   # a | b
```
"""


def test_each_kind_of_block_has_its_form() -> None:
    assert (
        as_plain_text(PAGE, 60)
        == """\
The *title* of it
=================

A paragraph with weight, `code`, a page (`reconciler help
dns`), another (`reconciler help dkim`) and the web
(https://example.com/).

Steps
-----

* one step that is long
* another
1. first

    code stays
      as it is

    also after a gap

Key  Meaning
---  -------
`a`  short
`b`

    reconciler status   # a | b
"""
    )


def test_a_wide_table_becomes_a_list_of_its_rows() -> None:
    wide = "| Key | Default | Meaning |\n|---|---|---|\n| `a` | no | a meaning that is long |\n| `b` | | none |\n"

    assert (
        as_plain_text(wide, 30)
        == """\
Key / Default / Meaning

`a`
    Default: no
    Meaning: a meaning that is
      long

`b`
    Meaning: none
"""
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_fits_a_terminal_and_loses_no_word(page: Path) -> None:
    text, source = as_plain_text(page.read_text(), 80), page.read_text()
    folded = [line for line in text.splitlines() if not line.startswith("    ")]
    fences = [line for line in source.splitlines() if line.startswith("```")]
    words = {word.strip("|*`,.:;()[]#") for word in source.replace("<br>", " ").split()} - {one[3:] for one in fences}
    lost = {word for word in words if word.isalpha() and word not in text and f"{word}]" not in source}

    assert [line for line in folded if len(line) > 80 and " " in line.strip()] == []
    assert lost == set()
    assert text.splitlines()[1].startswith("==="), "a heading comes first"
    assert title_of(source)
