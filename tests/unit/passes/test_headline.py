"""The result of a pass in one sentence, with the priority that an alarm goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from reconciler.host.log import Priority
from reconciler.passes.headline import headline

if TYPE_CHECKING:
    from reconciler.state.records import ConclusionLine

COMMIT = {"revision": "289378e" + "0" * 33, "author": "Ada <ada@example.com>", "subject": "Banner", "findings": []}
ERROR = {"rule": "unknown-restriction", "file": "mail.yaml", "line": 5, "column": 3, "severity": "error", "text": "no"}
NAMED = "289378e (Ada <ada@example.com>: Banner)"

KEPT = (
    f"nothing to change for {NAMED}; edited by hand: main.cf;"
    " kept as commit ccccccc on branch drift/mx1: merge it to keep the edit"
)


@pytest.mark.parametrize(
    ("line", "priority", "text"),
    [
        ({"outcome": "Applied", "generation": 12}, Priority.INFO, f"applied {NAMED} as generation 12"),
        ({"outcome": "Unchanged"}, Priority.INFO, f"nothing to change for {NAMED}"),
        (
            {"outcome": "Unchanged", "why": "confirmed by root"},
            Priority.INFO,
            f"nothing to change for {NAMED}; confirmed by root",
        ),
        (
            {"outcome": "Unchanged", "findings": [ERROR | {"rule": "broken-certificate"}], "why": "not reloaded"},
            Priority.ERROR,
            f"nothing to change for {NAMED}; mail.yaml:5:3: no; not reloaded",
        ),
        (
            {"outcome": "Refused", "findings": [ERROR, ERROR]},
            Priority.WARNING,
            f"refused {NAMED}; mail.yaml:5:3: no (and 1 more)",
        ),
        (
            {"outcome": "Refused", "findings": [ERROR | {"severity": "warning"}]},
            Priority.WARNING,
            f"refused {NAMED}",
        ),
        (
            {"outcome": "RolledBack", "findings": [ERROR]},
            Priority.ERROR,
            f"rolled back {NAMED}; mail.yaml:5:3: no",
        ),
        (
            {"outcome": "Broken", "findings": [ERROR]},
            Priority.CRITICAL,
            f"HALTED: {NAMED} failed, and so did its rollback; mail.yaml:5:3: no",
        ),
        ({"outcome": "Postponed", "reason": "no space"}, Priority.WARNING, f"postponed {NAMED}; no space"),
        (
            {"outcome": "Postponed", "reason": "a bug", "findings": [ERROR | {"rule": "internal-error"}]},
            Priority.ERROR,
            f"postponed {NAMED}; mail.yaml:5:3: no",
        ),
        ({"outcome": "Superseded", "by": "b" * 40}, Priority.INFO, f"superseded {NAMED}; superseded by bbbbbbb"),
        (
            {"outcome": "Applied", "generation": 13, "drift": ["main.cf:smtpd_banner"], "drift_by": "vi by ann"},
            Priority.WARNING,
            f"applied {NAMED} as generation 13; reverted a hand edit of main.cf:smtpd_banner, vi by ann",
        ),
        (
            {"outcome": "Unchanged", "drift": ["main.cf"], "kept": "c" * 40, "kept_on": "drift/mx1"},
            Priority.WARNING,
            KEPT,
        ),
        (
            {"outcome": "Unchanged", "drift": ["main.cf"], "not_kept": "locked"},
            Priority.WARNING,
            f"nothing to change for {NAMED}; edited by hand: main.cf; not kept as a commit yet: locked",
        ),
        (
            {"outcome": "Unchanged", "revived": True, "started": ["rspamd"]},
            Priority.ERROR,
            f"nothing to change for {NAMED}; Postfix had died and was started; rspamd had died and was started",
        ),
        (
            {"outcome": "Applied", "generation": 2, "left_out": {"site12": ""}},
            Priority.WARNING,
            f"applied {NAMED} as generation 2; site12 is left out and nothing of it is live",
        ),
    ],
)
def test_a_result_is_a_sentence_with_a_priority(line: dict[str, Any], priority: Priority, text: str) -> None:
    assert headline(cast("ConclusionLine", COMMIT | line)) == (priority, text)


def test_a_pass_without_a_commit() -> None:
    line = {"outcome": "Unchanged", "revision": "", "findings": [], "why": "adopted"}
    assert headline(cast("ConclusionLine", line)).text == "nothing to change for the live configuration; adopted"
