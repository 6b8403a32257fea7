"""The name servers in a chroot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.desired.lint import mentioned
from reconciler.features.composition import compose
from tests.unit.desired_states import desired, findings_of
from tests.unit.host_facts import HOST, facts

if TYPE_CHECKING:
    from reconciler.model import Facts

OUTSIDE, INSIDE = "/etc/resolv.conf", "/var/spool/postfix/etc/resolv.conf"
JAILED = {"master.d/x.cf": "out unix - - y - - smtp\n"}
REMOTE = ("192.0.2.53", "192.0.2.54")
FREE = dict.fromkeys(("smtp/inet", "smtp/unix", "relay/unix", "lmtp/unix"))


def host(inside: tuple[str, ...] | None, outside: tuple[str, ...] | None = REMOTE) -> Facts:
    return facts(resolvers={OUTSIDE: outside, INSIDE: inside})


def test_both_lists_are_read_where_something_is_in_the_chroot() -> None:
    assert mentioned(compose(desired(files=JAILED), HOST), HOST).resolvers == {OUTSIDE, INSIDE}
    elsewhere = compose(desired({"queue_directory": "/srv/q"}, JAILED), HOST)
    assert mentioned(elsewhere, HOST).resolvers == {OUTSIDE, "/srv/q/etc/resolv.conf"}


def test_a_client_without_name_servers_is_refused_at_its_line() -> None:
    (finding,) = findings_of("chroot-without-names", files=JAILED, facts=host(None))
    assert finding.where.file == "master.d/x.cf"
    assert f"runs in a chroot without {INSIDE}" in finding.text
    assert "no mail could leave" in finding.text
    assert (finding.is_error, finding.lasting) == (True, False)
    assert f"smtp with {INSIDE}" in finding.starts, "one that runs has read the list when it started"


@pytest.mark.parametrize(
    "healthy",
    [
        host(REMOTE),
        host(REMOTE[:1]),
        host(None, None),
        host(None, ()),
        host(None, ("127.0.0.1",)),  # which is asked without a file, too
        facts(resolvers={OUTSIDE: REMOTE, INSIDE: None}, listeners=()),  # its start copies the file
        facts(),
    ],
)
def test_a_chroot_with_the_name_servers_of_the_host_is_healthy(healthy: Facts) -> None:
    assert findings_of("chroot-without-names", files=JAILED, facts=healthy) == []


@pytest.mark.parametrize("inside", [("198.51.100.53",), ()])
def test_other_name_servers_are_a_warning(inside: tuple[str, ...]) -> None:
    (finding,) = findings_of("chroot-without-names", files=JAILED, facts=host(inside))
    assert not finding.is_error
    assert f"{INSIDE} names other name servers" in finding.text
