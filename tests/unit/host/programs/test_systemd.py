"""systemd's answers as recorded on Debian 12 and Debian 13, and what a service tells it."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from reconciler.host.programs import systemd
from tests.unit.recorded_host import RecordedHost, transcript

if TYPE_CHECKING:
    from pathlib import Path


def test_debians_postfix_service_is_a_dummy_and_its_instance_is_not() -> None:
    instance, dummy, missing = systemd.parse_show(transcript("systemctl-show.txt"))
    assert (instance.name, instance.active, instance.sub) == ("postfix@-.service", "active", "running")
    assert instance.runs("post")
    assert (dummy.name, dummy.loaded, dummy.runs("post")) == ("postfix.service", True, False)
    assert (missing.loaded, missing.runs("post")) == (False, False)


def test_debian_13_starts_postfix_by_its_service_which_names_no_folder() -> None:
    service, instance, missing = systemd.parse_show(transcript("systemctl-show-debian-13.txt"))
    assert (service.name, service.runs("post"), service.runs("reconciler")) == ("postfix.service", True, False)
    assert (instance.name, instance.loaded, missing.loaded) == ("postfix@-.service", True, False)


def test_all_units_are_asked_for_in_one_call() -> None:
    host = RecordedHost({"systemctl show": transcript("systemctl-show.txt")})
    assert len(systemd.show(host, ["postfix@-.service", "postfix.service", "nosuch.service"])) == 3
    assert len(host.asked) == 1
    assert systemd.show(host, []) == []


@pytest.mark.parametrize(
    ("line", "unit"),
    [
        (transcript("cgroup.txt"), "postfix@-.service"),
        ("1:name=systemd:/system.slice/postfix.service\n0::/", "postfix.service"),
        ("0::/user.slice/user-0.slice/session-3.scope", None),
        ("0::/", None),
    ],
)
def test_the_cgroup_names_the_unit_in_either_version(line: str, unit: str | None) -> None:
    assert systemd.parse_cgroup(line.splitlines()) == unit


def test_what_is_started_apart_says_how_it_is_stopped() -> None:
    command = ("/usr/sbin/postfix", "-c", "/etc/post fix")

    argv = systemd.apart((*command, "start"), (*command, "stop"), "Postfix of /etc/post fix")

    assert '--property=ExecStop="/usr/sbin/postfix" "-c" "/etc/post fix" "stop"' in argv
    assert argv[argv.index("--") + 1 :] == (*command, "start")


def test_a_process_that_is_gone_has_no_unit() -> None:
    assert systemd.unit_of_process(2**22 + 1) is None


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_through_either_kind_of_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, abstract: bool
) -> None:
    address = f"@reconciler-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0") if abstract else address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        systemd.notify("READY=1\nSTATUS=Steady")
        assert listener.recv(100) == b"READY=1\nSTATUS=Steady"


def test_telling_systemd_never_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    systemd.notify("WATCHDOG=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    systemd.notify("WATCHDOG=1")


@pytest.mark.parametrize(("usec", "pid", "interval"), [("3000000", "", 1.5), ("3000000", "1", None), ("", "", None)])
def test_the_watchdog_is_fed_at_half_its_time(
    usec: str, pid: str, interval: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", pid or str(os.getpid()))
    assert systemd.watchdog_interval() == interval
