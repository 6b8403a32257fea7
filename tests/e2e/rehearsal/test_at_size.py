"""Among 500 sites a rehearsal notices what it notices among none, and plays of what is alike a few.

The sites are the same in what is live, which is the hardest case: none of them is played because it changes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.benchmarks.states import address_commands, address_of, flows_of, site
from tests.e2e.hosts import Host
from tests.e2e.rehearsal.test_rehearsal import BROKEN, CERTIFICATE
from tests.e2e.rehearsal_driver import Rehearsed, rehearsed, state

if TYPE_CHECKING:
    from collections.abc import Iterator

SITES = 500
EACH = 12  # one of so many cases: the others are alike at any size
AMONG = {path: text for number in range(1, SITES + 1) for path, text in site(number).items()}
ODD = (
    "odd unix - - n - - smtp\n  -o syslog_name=postfix/odd -o smtp_helo_name=odd.test -o smtp_dns_support_level=bogus\n"
)


@pytest.fixture(scope="module")
def prepared() -> Iterator[Host]:
    """A host with the addresses of all sites."""
    with Host(postfix=True) as made:
        made.run("ip", "-batch", "-", input=address_commands(SITES))
        made.run("sh", "-c", CERTIFICATE)
        yield made


def rehearse(host: Host, case: dict[str, Any], changed: tuple[str, ...] = ()) -> Rehearsed:
    services = {"services": case["services"]} if "services" in case else {}
    files = AMONG | case.get("files", {})
    return rehearsed(host, state(case.get("parameters", {}), files, **services), changed=changed)


@pytest.mark.parametrize(
    "case", [case for case in BROKEN if not case.get("tls")][::EACH], ids=lambda case: str(case["name"])
)
def test_what_is_broken_is_found_among_many_sites(prepared: Host, case: dict[str, Any]) -> None:
    done = rehearse(prepared, case)
    assert not done.trouble
    assert any(case["says"] in one and one.startswith(f"{case['at']}: ") for one in done.findings), done.findings


def test_of_many_sites_those_that_change_are_played_and_one_that_is_not_like_them(prepared: Host) -> None:
    done = rehearse(prepared, {"files": {"master.d/odd.cf": ODD}}, changed=("site400-out/unix",))
    assert not done.trouble
    assert [one for one in done.findings if "odd" in one or "bogus" in one], done.findings
    left = {message["helo"] for message in done.report["received"]}
    assert {"mail.d1.test", "mail.d400.test"} <= left
    # The address of the second is the host's by a route alone.
    assert {address_of(1), address_of(400)} <= {message["source"] for message in done.report["received"]}
    assert len(left) < 6
    assert len(done.report["agents"]) < 8


def test_mail_for_one_of_many_that_are_not_played_is_delivered_by_one_that_is_like_it(prepared: Host) -> None:
    routed = {"mynetworks": "192.0.2.0/24", "relay_domains": "r.test", "relay_transport": "site300-out"}
    done = rehearse(prepared, {"parameters": routed})
    assert not done.trouble
    assert done.findings == []
    sent = [one for one in done.report["received"] if any(to.endswith("@r.test") for to in one["recipients"])]
    assert {one["helo"] for one in sent} == {"mail.d1.test"}


def test_many_flows_and_sites_pass_together(prepared: Host) -> None:
    """They share connections, and each still meets its own end."""
    flows = re.sub(r"@(far\d)\.test, expect: {", r"@\1.test, expect: {nexthop: \1.test, ", flows_of(150))
    done = rehearse(prepared, {"parameters": {"mynetworks": "192.0.2.0/24"}, "files": {"flows/f.yaml": flows}})
    assert not done.trouble
    assert done.findings == []
    assert len(done.report["flows"]) == 150
    assert len(done.report["routes"]) == 150
    assert done.log.count(" connect from ") < 60


def test_among_thousands_of_addresses_one_that_the_host_lacks_is_still_none_to_leave_from(prepared: Host) -> None:
    line = ODD.replace("smtp_dns_support_level=bogus", f"smtp_bind_address={address_of(SITES + 9)}")
    done = rehearse(prepared, {"files": {"master.d/odd.cf": line}}, changed=("odd/unix",))
    assert not done.trouble
    assert [one for one in done.findings if "Cannot assign requested address" in one], done.findings
