"""What a rehearsal notices by itself, with every rule switched off, and what it must never complain of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.hosts import Host
from tests.e2e.rehearsal_driver import Rehearsed, rehearsed, state

if TYPE_CHECKING:
    from collections.abc import Iterator

CORPUS = Path(__file__).parents[2] / "corpus"
BROKEN = yaml.load((CORPUS / "rehearsed-broken.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
HEALTHY = yaml.load((CORPUS / "rehearsed-healthy.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
CERTIFICATE = """
openssl req -x509 -newkey ec -pkeyopt group:P-256 -nodes -days 9 -subj /CN=mx1.example.com \
    -keyout /etc/ssl/k.pem -out /etc/ssl/c.pem
"""


@pytest.fixture(scope="module")
def prepared() -> Iterator[Host]:
    """A host that has a certificate, and no reconciler at work."""
    with Host(postfix=True) as made:
        made.run("sh", "-c", CERTIFICATE)
        yield made


def rehearse(host: Host, case: dict[str, Any]) -> Rehearsed:
    parameters = dict(case.get("parameters", {}))
    if case.get("tls"):
        parameters |= {"smtpd_tls_cert_file": "/etc/ssl/c.pem", "smtpd_tls_key_file": "/etc/ssl/k.pem"}
    services = {"services": case["services"]} if "services" in case else {}
    return rehearsed(host, state(parameters, case.get("files"), **services))


@pytest.mark.parametrize("case", HEALTHY, ids=lambda case: str(case["name"]))
def test_nothing_is_said_of_a_healthy_configuration(prepared: Host, case: dict[str, Any]) -> None:
    done = rehearse(prepared, case)
    assert not done.trouble
    assert done.findings == [], done.log


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: str(case["name"]))
def test_what_is_broken_is_found_with_its_cause_and_its_place(prepared: Host, case: dict[str, Any]) -> None:
    done = rehearse(prepared, case)
    assert not done.trouble
    named = [one for one in done.findings if case["says"] in one]
    assert named, (done.findings, done.log)
    assert any(one.startswith(f"{case['at']}: ") for one in named), done.findings
    assert any(("warning: " in one) == (case["severity"] == "warning") for one in named), done.findings


def test_a_table_of_the_host_says_who_exists_and_is_not_quoted(prepared: Host) -> None:
    prepared.run("sh", "-c", "mkdir -p /etc/mail && echo 'ada@v.example x' >/etc/mail/boxes && postmap /etc/mail/boxes")
    boxes = {"virtual_mailbox_maps": "hash:/etc/mail/boxes", "virtual_transport": "discard"}
    lost = rehearsed(prepared, state(boxes))
    assert ["ada@v.example"] in lost.report["listed"]
    (finding,) = lost.findings
    assert finding.startswith(
        "mail.yaml:6:27: warning: in a rehearsal virtual_mailbox_maps: hash:/etc/mail/boxes lists"
    )
    assert "ada" not in finding
    found = rehearsed(prepared, state(boxes | {"virtual_mailbox_domains": "v.example"}))
    assert found.findings == []
    # A message of a program on the host has come as far as its mailbox, and none was sent to who was only asked for.
    assert "message-id=<submitted@rehearsal.example>" in found.log
    assert "to=<ada@v.example>" not in found.log
