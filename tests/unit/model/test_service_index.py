"""The services of a contribution by their programs, their types and their names."""

from __future__ import annotations

from reconciler.model import Contribution, Service, Where
from reconciler.model.service_index import ServiceIndex


def service(name: str, kind: str, command: str) -> Service:
    return Service(name=name, type=kind, command=command, where=Where("master.cf"))


SMTP, CLIENT, PICKUP, RELAY = (
    service("smtp", "inet", "smtpd"), service("smtp", "unix", "smtp"), service("pickup", "unix", "pickup"),
    service("relay", "unix", "smtp"),
)  # fmt: skip


def test_services_are_found_by_program_and_type_in_their_order() -> None:
    index = ServiceIndex([SMTP, CLIENT, None, PICKUP, RELAY])
    assert index.entries == (SMTP, CLIENT, PICKUP, RELAY)
    assert index.by_program == {"smtpd": [SMTP], "smtp": [CLIENT, RELAY], "pickup": [PICKUP]}
    assert index.by_type == {"inet": [SMTP], "unix": [CLIENT, PICKUP, RELAY]}


def test_one_name_may_be_that_of_a_listener_and_of_a_socket() -> None:
    index = ServiceIndex([SMTP, CLIENT, PICKUP])
    assert index.names == index.socket_names == {"smtp", "pickup"}
    assert ServiceIndex([SMTP, PICKUP]).socket_names == {"pickup"}


def test_a_contribution_finds_its_own_services() -> None:
    services = {one.key: one for one in (SMTP, CLIENT, PICKUP)}
    merged = Contribution(services={**services, "relay/unix": None})
    assert merged.entries == (SMTP, CLIENT, PICKUP)
    assert (merged.running("smtp"), merged.running("relay")) == ([CLIENT], ())
    assert (merged.of_type("inet"), merged.of_type("fifo")) == ([SMTP], ())
    other = Contribution(services={"relay/unix": RELAY})
    assert [sorted(one.names) for one in (other, merged)] == [["relay"], ["pickup", "smtp"]]
