"""The lines of ``reconciler log``."""

from __future__ import annotations

from reconciler.commands.log import log_lines


def test_a_service_died_and_the_lockdown_was_loaded_again() -> None:
    line = {"at": "", "outcome": "Unchanged", "revision": "", "findings": [], "started": ["nftables", "postsrsd"]}
    assert [one.strip() for one in log_lines(line)][1:] == [
        "the lockdown's rules were gone or changed, and were loaded again",
        "postsrsd had died and was started",
    ]
