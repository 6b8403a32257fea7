"""A site's own services in master.d only deliver; that mail leaves by them is tests/e2e's."""

from __future__ import annotations

import pytest

from reconciler.model import Severity
from tests.unit.desired_states import desired, findings_of, linted, only_finding


@pytest.mark.parametrize(
    ("service", "text"),
    [
        ("x unix - n n - - pipe user=vmail argv=/bin/true", 'got "unix pipe user=vmail argv=/bin/true"'),
        ("127.0.0.1:2525 inet n - n - - smtpd", 'got "inet smtpd"'),
        ("x unix - - n - - smtp -v", 'got "unix smtp -v"'),
        ("x unix - - n - - smtp -o smtp_helo_nam=a.example", "did you mean smtp_helo_name?"),
        ("x unix - - n - - smtp -o smtp_sasl_password_maps=hash:/x", 'a site may not set "smtp_sasl_password_maps"'),
    ],
)
def test_a_sites_services_only_deliver(service: str, text: str) -> None:
    assert text in only_finding("site-service", files={"master.d/site12-a.cf": service + "\n"})
    assert not findings_of("site-service", files={"master.d/a.cf": service + "\n"})


def test_a_healthy_service_of_a_site_passes_and_one_of_no_site_is_told_of() -> None:
    own = "x unix - - n - - smtp -o smtp_helo_name=a.example -o syslog_name=postfix/x\n"
    assert not [one for one in linted(desired(files={"master.d/site12-a.cf": own})) if one.is_error]
    (finding,) = findings_of("unowned-service", files={"master.d/site12.cf": own})
    assert finding.severity is Severity.WARNING
    assert "master.d/site12-NAME.cf" in finding.text
