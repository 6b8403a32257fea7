"""The status of a host on which all is well, for tests that change parts of it."""

from __future__ import annotations

from typing import Any

TIP = "289378e" + "0" * 33
SUBJECT = "Set message_size_limit to 20480000"
AT = "2026-11-22T20:49:00Z"
WELL: dict[str, Any] = {
    "host": "mx1.example.com",
    "instance": "",
    "verdict": {"level": "well", "text": "generation 12 is live", "also": [], "next": "nothing to do"},
    "phase": {"name": "Steady"},
    "since": "2026-11-22T20:00:00Z",
    "working": None,
    "branch": {
        "name": "main",
        "tip": TIP,
        "subject": SUBJECT,
        "ahead": 0,
        "outcome": "Applied",
        "at": AT,
        "repository": "/srv/mail-state.git",
        "problem": "",
    },
    "remote": None,
    "before": None,
    "live": {"revision": TIP, "generation": 12, "source": "commit 289378e", "subject": SUBJECT},
    "lost": None,
    "troubles": [],
    "last": {"outcome": "Applied", "revision": TIP, "at": AT, "seconds": 0.4, "findings": []},
    "drift": [],
    "ignored": [],
    "postfix": {"running": True, "version": "3.7.11", "unknown": "", "stopped": None},
    "queue": [],
    "companions": {},
    "left_out": {},
    "due": [],
    "dkim": [],
    "refused": [],
    "daemon": True,
    "limits": [],
}
