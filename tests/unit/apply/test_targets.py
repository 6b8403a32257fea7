"""Where every service must answer."""

from __future__ import annotations

from pathlib import Path

from reconciler.apply.targets import Expected, targets
from reconciler.host.maillog import Mark, UnreadableLog
from reconciler.host.programs.postfix import Instance
from reconciler.model import Interface, Service, Where


def places(*names: str, interfaces: str = "all", protocols: str = "all", disabled: str = "") -> list[str]:
    """The addresses of these inet services on a host with two addresses."""
    values = {"inet_interfaces": interfaces, "inet_protocols": protocols, "master_service_disable": disabled}
    services = [Service(name=name, type="inet", command="smtpd", where=Where("master.cf")) for name in names]
    services.append(Service(name="public/x", type="unix", command="cleanup", where=Where("master.cf")))
    expected = Expected(
        instance=Instance(Path("/etc/postfix"), values), services=tuple(services),
        addresses=tuple(map(Interface.of, ("127.0.0.1/8", "192.0.2.10/24"))), ports={"smtp": 25},
        log=UnreadableLog("none"), mark=Mark(), since=0, settle=0,
    )  # fmt: skip
    return [target.place for target in targets(expected)]


def test_a_service_on_all_interfaces_answers_on_loopback() -> None:
    assert places("smtp", "587") == ["127.0.0.1:25", "127.0.0.1:587"]


def test_a_service_answers_on_its_own_address_or_on_those_of_main_cf() -> None:
    assert places("192.0.2.10:smtp") == ["192.0.2.10:25"]
    assert places("smtp", interfaces="127.0.0.1, 192.0.2.10") == ["127.0.0.1:25", "192.0.2.10:25"]


def test_what_the_protocols_exclude_or_master_cf_disables_need_not_answer() -> None:
    assert places("smtp", protocols="ipv6") == []
    assert places("smtp", "587", disabled="smtp.inet") == ["127.0.0.1:587"]
    assert places("smtp", "587", disabled="!587/inet inet") == ["127.0.0.1:587"]
