"""Delivery services become transports where a transport says the same, with their limits and comments."""

from __future__ import annotations

import pytest

from reconciler.desired.offers.transports import find
from reconciler.postfix.syntax import show_service
from tests.unit.desired.offers.grounds import HEAD, after, ground, text

MAIL = f"{HEAD}  compatibility_level: 3.6\n"
FIRST = "smtp inet n - n - - smtpd\n"
SLOW = "# a slow partner\nslow unix - - n - - smtp\n  -o syslog_name=postfix/$service_name\n"
OTHER = (
    "out unix - - - - - smtp -o smtp_bind_address=192.0.2.7 -o syslog_name=postfix/out -o smtp_helo_name=a.example\n"
)
LAST = "# the last\nqmgr unix n - n 300 1 qmgr\n"


def test_services_and_limits_become_a_section() -> None:
    before = ground(
        f"{MAIL}  # two at a time\n  slow_destination_concurrency_limit: 2\n  slow_destination_rate_delay: 2s\n"
        "  slow_initial_destination_concurrency: 1\n",
        FIRST + SLOW + OTHER + LAST,
    )

    offer = find(before)

    assert text(offer) == (
        "base: none\n\ntransports:\n  # a slow partner\n  # two at a time\n"
        "  slow: {concurrency: 2, rate_delay: 2s}\n  out: {address: 192.0.2.7, helo: a.example}\n\n"
        "parameters:\n  compatibility_level: 3.6\n  slow_initial_destination_concurrency: 1\n"
    )
    assert offer is not None
    assert text(offer, "master.d/host.cf") == FIRST + LAST
    assert offer.moved == {"slow/unix", "out/unix"}
    new = after(before, offer)
    assert new.services.keys() == before.origin.services.keys()
    values = {name: one.value for name, one in before.origin.parameters.items()}
    assert {name: one.value for name, one in new.parameters.items()} == values
    assert show_service(new.entries[0]) == "slow unix - - n - - smtp -o syslog_name=postfix/slow"


@pytest.mark.parametrize(
    "service",
    [
        "slow unix - - n - - smtp\n", "slow unix - - y - - smtp -o syslog_name=postfix/slow\n",
        "slow unix - - n - 2 smtp -o syslog_name=postfix/slow\n",
        "slow unix - - n - - lmtp -o syslog_name=postfix/slow\n",
        "relay unix - - n - - smtp -o syslog_name=postfix/relay\n",
        "slow unix - - n - - smtp -o syslog_name=postfix/slow -o smtp_tls_security_level=none\n",
        "slow unix - - n - - smtp -o syslog_name=postfix/slow -o smtp_bind_address=$x\n",
        "slow unix - - n - - smtp -o syslog_name=postfix/slow -o smtp_bind_address=0.0.0.0\n",
        "slow unix - - n - - smtp -o syslog_name=postfix/slow -o smtp_bind_address=::1 -o smtp_bind_address6=::2\n",
        "slow unix - - n - - smtp -v -o syslog_name=postfix/slow\n",
    ],
)  # fmt: skip
def test_what_a_transport_can_not_say_stays(service: str) -> None:
    assert find(ground(MAIL, FIRST + service)) is None


@pytest.mark.parametrize("limit", ["slow_destination_concurrency_limit: $x", "slow_destination_rate_delay: 2x"])
def test_a_limit_that_a_transport_can_not_have_keeps_the_service(limit: str) -> None:
    assert find(ground(f"{MAIL}  {limit}\n", FIRST + SLOW)) is None


def test_without_a_level_a_default_chroot_is_one() -> None:
    assert find(ground(f"{HEAD}  biff: no\n", FIRST + OTHER)) is None
    assert find(ground(MAIL, FIRST + OTHER)) is not None


def test_an_address_that_was_not_enforced_is_to_be_confirmed() -> None:
    offer = find(ground(MAIL, FIRST + OTHER))
    enforced = find(ground(MAIL, FIRST + OTHER.replace("\n", " -o smtp_bind_address_enforce=yes\n")))

    assert offer is not None
    assert enforced is not None
    assert (len(offer.confirm), {*offer.changed}) == (2, {"smtp_bind_address_enforce"})
    assert (len(enforced.confirm), {*enforced.changed}) == (1, set())
