"""A commit that can't be read as a whole is judged as far as it can be, without what follows from its errors."""

from __future__ import annotations

import pytest

from reconciler.desired.load import PartlyRead, load
from reconciler.desired.partial import also_wrong
from reconciler.features.composition import compose
from tests.unit.commits import file_tree
from tests.unit.host_facts import HOST

BASE = """\
hostname: mx.test.example
transports:
  slow: {concurrency: 1}
parameters:
  mydestination: mx.test.example, localhost
  mynetworks: 127.0.0.0/8
  virtual_alias_domains: v.example
  smtpd_relay_restrictions: permit_mynetworks, reject_unauth_destination
"""
VIRTUAL = "info@v.example  root@mx.test.example\n"


def told(mail: str, **files: str) -> list[str]:
    """Return the rules of everything that is wrong with a commit, with their lines."""
    texts = {"mail.yaml": mail, "tables/virtual": VIRTUAL, **files}
    with pytest.raises(PartlyRead) as raised:
        load(file_tree(texts), "mx.test.example", {})
    error = raised.value
    found = [*error.findings, *also_wrong(error, HOST, compose(error.rest, HOST))]
    return sorted(f"{one.rule} {one.where.file}:{one.where.line}" for one in found)


def test_all_errors_of_a_commit_are_told_at_once() -> None:
    mail = (
        BASE.replace("concurrency: 1", "concurrency: one")
        + "  smtpd_helo_requierd: yes\n  smtpd_sender_restrictions: reject_unknown_sender_domian\n"
        + "  queue_run_delay: 5 minutes\n  always_bcc: @v.example\n  myorigin: $mydomian\nsubmision: {enabled: yes}\n"
    )
    files = {
        "tables/virtual": VIRTUAL + "INFO@v.example  x@mx.test.example\n",
        "tables/transport": "a.example  nosuch:\n",
        "master.d/x.cf": "127.0.0.1:2526 inet n - n - smtpd\n",
        "flows/a.yaml": "a: {to: b@c.example}\n",
    }

    assert told(mail, **files) == [
        "bad-value mail.yaml:11",
        "duplicate-entry tables/virtual:2",
        "invalid-value mail.yaml:3",
        "malformed-service master.d/x.cf:1",
        "missing-key flows/a.yaml:1",
        "undefined-name mail.yaml:13",
        "unknown-key mail.yaml:14",
        "unknown-parameter mail.yaml:9",
        "unknown-restriction mail.yaml:10",
        "unknown-transport tables/transport:1",
        "unreadable-yaml mail.yaml:12",
    ]


@pytest.mark.parametrize(
    ("mail", "files", "only"),
    [
        # the transport exists, and its definition is what is wrong
        (BASE.replace("concurrency: 1", "x: 1"), {"tables/transport": "a.example  slow:\n"}, "unknown-key mail.yaml:3"),
        # the protection against relaying is written, as a list
        (
            BASE.replace(
                "permit_mynetworks, reject_unauth_destination", "[permit_mynetworks, reject_unauth_destination]"
            ),
            {},
            "invalid-value mail.yaml:8",
        ),
        # the class that the aliases belong to is written, as a list
        (BASE.replace("v.example", "[v.example]"), {}, "invalid-value mail.yaml:7"),
        # the name is defined in what can't be read, or only used there
        (BASE + "  my_nets: [10.0.0.0/8]\n  myorigin: $my_nets\n", {}, "invalid-value mail.yaml:9"),
        (BASE + "  relayhost: [$my_relay]\n  my_relay: a.example\n", {}, "invalid-value mail.yaml:9"),
        # the table exists under a name that it can't have
        (
            BASE + "  canonical_maps: table:people\n",
            {"tables/people.csv": "a@b.example c@b.example\n"},
            "invalid-table tables/people.csv:1",
        ),
        # the service exists, and its line is malformed
        (
            BASE,
            {"master.d/x.cf": "ipr unix - - n - smtp\n", "tables/transport": "a.example  ipr:\n"},
            "malformed-service master.d/x.cf:1",
        ),
        # the settings can't be read at all
        (
            "parameters: {mynetworks: &a [*a]}\n*\n",
            {"tables/transport": "a.example  slow:\n", "tables/people": "a@b.example c@b.example\n"},
            "unreadable-yaml mail.yaml:2",
        ),
    ],
)
def test_what_follows_from_an_error_is_not_told(mail: str, files: dict[str, str], only: str) -> None:
    assert told(mail, **files) == [only]


def test_rows_are_judged_even_if_the_settings_can_t_be_read() -> None:
    assert told("a: b\n*\n", **{"tables/virtual": f"{VIRTUAL}x\n"}) == [
        "malformed-entry tables/virtual:2",
        "unreadable-yaml mail.yaml:2",
    ]
