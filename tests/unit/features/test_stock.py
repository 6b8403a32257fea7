"""``base: none``: nothing is there that the desired state does not say, and without the key all is as before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.commands.edges import templates
from reconciler.desired.load import load
from reconciler.desired.overrides import overridden
from reconciler.features.composition import compose
from reconciler.trees.render import render
from tests.unit.commits import file_tree, load_commit, load_findings
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from reconciler.model import Contribution

NONE = "base: none\n"
TEMPLATES = templates()
MASTER = b"""\
# The way in.
smtp      inet  n       -       y       -       -       smtpd
  -o { smtpd_banner = two  blanks }
# (cleanup before pickup, as it was)
cleanup   unix  n       -       y       -       0       cleanup
pickup    unix  n       -       y       60      1       pickup
relay     unix  -       -       y       -       -       smtp
"""


def composed(mail: str, **files: str) -> Contribution:
    return compose(load_commit(mail, **files), HOST)


def test_nothing_is_contributed_that_is_not_written() -> None:
    merged = composed(NONE)

    assert (merged.parameters, merged.services, merged.tables) == ({}, {}, {})


@pytest.mark.parametrize("mail", ["hostname: mx1.example.com\n", "base: stock\n"])
def test_without_the_word_none_everything_is_as_before(mail: str) -> None:
    merged = composed(mail)

    assert {"compatibility_level", "alias_maps", "smtp_tls_security_level"} <= merged.parameters.keys()
    assert {"smtp/inet", "oneshot/unix", "relaylim/unix"} <= merged.services.keys()
    assert "oneshot_dsn" in merged.tables


def test_what_is_written_is_contributed() -> None:
    merged = composed(
        NONE + "hostname: mx1.example.com\nparameters: {relayhost: ''}\ntls: {outbound: may}\n"
        "transports:\n  slow: {concurrency: 1}\n  once: {retry: no}\n"
    )

    assert {name: one.value for name, one in merged.parameters.items()} == {
        "myhostname": "mx1.example.com", "relayhost": "", "smtp_tls_security_level": "may",
        "slow_destination_concurrency_limit": "1",
    }  # fmt: skip
    assert set(merged.services) == {"slow/unix", "once/unix"}
    assert set(merged.tables) == {"oneshot_dsn"}


def test_a_login_needs_tls_all_the_same() -> None:
    merged = composed(
        NONE + 'smart_host: {nexthop: "[relay.test]:587", username: u, password: !secret relay}\n',
        **{"secrets/relay.age": "age-encryption.org/v1\n"},
    )

    assert merged.parameters["smtp_tls_security_level"].value == "encrypt"


def test_master_d_may_hold_the_whole_of_master_cf_to_the_byte() -> None:
    merged = composed(NONE, **{"master.d/host.cf": MASTER.decode()})

    assert render(merged, TEMPLATES)["master.cf"].read() == MASTER


def test_a_change_of_a_service_is_rendered() -> None:
    merged = composed(NONE + "services:\n  smtp/inet: {maxproc: 5}\n  relay/unix: null\n",
                      **{"master.d/host.cf": MASTER.decode()})  # fmt: skip

    assert list(merged.services) == ["smtp/inet", "cleanup/unix", "pickup/unix"]
    assert "smtp  inet  n  -  y  -  5  smtpd" in render(merged, TEMPLATES)["master.cf"].read().decode()


def test_two_files_in_master_d_are_joined() -> None:
    merged = composed(NONE, **{"master.d/a.cf": MASTER.decode(), "master.d/b.cf": "x unix - - n - - smtp\n"})

    assert list(merged.services)[-1] == "x/unix"
    assert b"x  unix" in render(merged, TEMPLATES)["master.cf"].read()


def test_without_the_key_a_stock_service_stays_a_duplicate() -> None:
    findings = load_findings("relay_mynetworks: no\n", {"master.d/host.cf": MASTER.decode()})

    assert {one.rule for one in findings} == {"duplicate-service"}


def test_a_service_that_is_nowhere_needs_a_command() -> None:
    [finding] = load_findings(NONE + "services:\n  smtp/inet: {maxproc: 5}\n")

    assert finding.rule == "service-without-command"


def test_another_word_is_refused() -> None:
    [finding] = load_findings("base: nothing\n")

    assert finding.where.line == 1


def test_one_host_can_be_without_the_base() -> None:
    files = file_tree(
        {"mail.yaml": "relay_mynetworks: no\n", "hosts/mx1.yaml": NONE, "master.d/host.cf": MASTER.decode()}
    )

    assert list(compose(load(files, "mx1", {}), HOST).services) == [
        "smtp/inet",
        "cleanup/unix",
        "pickup/unix",
        "relay/unix",
    ]


def test_a_parameter_overrides_nothing() -> None:
    desired = load_commit(NONE + "parameters: {smtp_tls_security_level: none, compatibility_level: 2}\n")

    assert overridden(desired, HOST) == []
