"""A table of a million entries is never held as a million objects: what a row costs is a few bytes, whatever it is for.

Python's own count of its memory is compared for two sizes, so the test says the same on every machine.
"""

from __future__ import annotations

import gc
import traceback
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import pytest

from reconciler.desired import table_memory
from reconciler.desired.lint import lint, mentioned
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model.errors import InvalidSource
from reconciler.model.past import Past
from reconciler.postfix import syntax, table_keys, table_parts, tables
from reconciler.postfix.reached import named_words
from reconciler.postfix.table_cache import CachedTable
from reconciler.rehearsal.script import write
from reconciler.rules import alias_loops, alias_users
from reconciler.trees.render import render
from tests.unit.large_states import MAIL, facts, site, tree

SIZE, MOST = 800, 100  # entries, and bytes for each of them
NONE = "  virtual_alias_domains: ''\n"
ALIASES = "  virtual_alias_domains: v.example\n"


class Use(NamedTuple):
    """What a table is for: the parameters that it needs, its file, and a row."""

    mail: str
    table: str
    row: str


USES = {
    "aliases that lead out": Use(ALIASES, "virtual", "user{0:05}@v.example box@out.example\n"),
    "aliases that lead on": Use(
        ALIASES, "virtual", "a{0:05}@v.example b{0:05}@v.example\nb{0:05}@v.example root@mx.test.example\n"
    ),
    "aliases of domains": Use(ALIASES, "virtual", "user{0:05}@v.example a@d{0:05}.example\n"),
    "local aliases": Use(NONE, "aliases", "user{0:05}: box@out.example\n"),
    "mailboxes": Use(
        f"{NONE}  virtual_mailbox_domains: v.example\n  virtual_mailbox_base: /srv\n", "virtual_mailbox",
        "user{0:05}@v.example v.example/user{0:05}/\n",
    ),
    "recipients": Use(
        f"{NONE}  relay_domains: v.example\n  relay_recipient_maps: table:known\n", "known", "u{0:05}@v.example x\n"
    ),
    "relayed domains": Use(NONE, "relay_domains", "d{0:05}.example x\n"),
    "routes": Use(f"{NONE}  relay_domains: w.example\n", "transport", "d{0:05}.example smtp:[192.0.2.7]\n"),
    "senders": Use(
        f"{NONE}  smtpd_sender_restrictions: check_sender_access table:known\n", "known", "u{0:05}@v.example REJECT\n"
    ),
    "logins": Use(
        f"{NONE}  smtpd_sender_login_maps: table:known\n  smtpd_sender_restrictions: reject_sender_login_mismatch\n",
        "known", "user{0:05}@v.example user{0:05}\n",
    ),
    "other addresses": Use(NONE, "sender_canonical", "user{0:05}@v.example u{0:05}@w.example\n"),
    "levels of TLS": Use(NONE, "tls_policy", "d{0:05}.example encrypt\n"),
    "routes of senders": Use(NONE, "sender_transport", "user{0:05}@v.example smtp:[192.0.2.7]\n"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat a table of some hundred rows as a large one."""
    sizes = ((table_parts, "SMALLEST"), (table_parts, "_SIZE"), (tables, "_BLOCK"), (syntax, "_BLOCK"))
    for module, name in sizes:
        monkeypatch.setattr(module, name, 2000)
    monkeypatch.setattr(alias_loops, "_FEW", 20)
    monkeypatch.setattr(alias_users, "_SUGGESTED", 20)


def peak(use: Use, size: int) -> int:
    """Return how much memory it takes at most to judge a commit with so many rows, without the bytes of the rows."""
    rows = "".join(use.row.format(number) for number in range(size))
    own = {path: text for path, text in site(1).items() if path.endswith("site.yaml")}
    files = tree({"mail.yaml": MAIL + use.mail, f"tables/{use.table}": rows, **own})
    host = facts(1)
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((CachedTable, "_findings"), (table_keys, "_free"), (table_parts, "_kept")):
            patch.setattr(module, name, Past(1024))
        gc.collect()
        tracemalloc.start()
        try:
            with suppress(InvalidSource):
                desired = load(files, host.host, {})
                merged = compose(desired, host)
                mentioned(merged, host)
                lint(desired, host, merged)
                named_words(merged, (), ["site1-out"])
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    "use", ["aliases that lead out", "aliases of domains", "recipients", "logins", "routes of senders"]
)
def test_a_table_that_was_judged_before_is_not_read(use: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_memory, "SMALLEST", 2000)
    rows = "".join(USES[use].row.format(number) for number in range(SIZE))
    files, host = tree({"mail.yaml": MAIL + USES[use].mail, f"tables/{USES[use].table}": rows}), facts(1)
    reads: list[str] = []

    def read() -> bytes:
        reads.append("".join(traceback.format_stack(limit=12)))
        return rows.encode()

    def judged(banner: str) -> None:
        content = files[f"tables/{USES[use].table}"]
        own = tree({"mail.yaml": f"{MAIL}{USES[use].mail}  smtpd_banner: {banner}\n"})
        unread = replace(content, read=read)
        desired = load({**own, f"tables/{USES[use].table}": unread}, host.host, {})
        merged = compose(desired, host)
        mentioned(merged, host)
        lint(desired, host, merged)
        render(merged, {})
        write(desired, host, merged)

    judged("one")
    assert len(reads) == 1
    judged("two")
    assert len(reads) == 1, reads[-1]


@pytest.mark.parametrize("use", USES)
def test_a_row_costs_a_few_bytes(use: str) -> None:
    peak(USES[use], 3)  # what is read once and kept
    most, grown = MOST * SIZE * USES[use].row.count("\n"), list[int]()
    for _ in range(3):  # whatever else this process does meanwhile is counted as well
        grown.append(peak(USES[use], 2 * SIZE) - peak(USES[use], SIZE))
        if grown[-1] <= most:
            break
    assert min(grown) <= most, grown
