"""docs/seed.md: every statement of the ApisCP mail document has a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "seed.md"
HEAD = "| statement | setting here | true of Postfix, or how it really is | proven by |"
TEST = re.compile(r"`([\w/]+)::(test_\w+)`")


def rows() -> list[list[str]]:
    """The cells of each row, without heads and rules."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|") and line != HEAD]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if set(line) != {"|", "-"}]


def defined(module: str) -> set[str]:
    """The tests of a module, which is named by its path in tests/."""
    path = TESTS / f"{module}.py"
    return set(re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE)) if path.exists() else set()


def test_every_statement_is_proven_by_a_test_that_exists() -> None:
    assert len(rows()) > 50
    for cells in rows():
        assert len(cells) == 4, cells
        proofs = TEST.findall(cells[3])
        assert proofs, cells
        assert re.sub(r"<br>|\s", "", TEST.sub("", cells[3])) == "", cells
        for module, name in proofs:
            assert name in defined(module), f"{module}::{name}, for: {cells[0]}"


def test_every_part_of_the_document_is_there() -> None:
    parts = re.findall(r"^## (.+)$", PAGE.read_text(), re.MULTILINE)
    assert parts == [
        "Configuration", "Smart host", "Secure authentication", "MailChannels", "Transports", "SRS", "DKIM",
        "Delivery addresses", "Troubleshooting",
    ]  # fmt: skip
