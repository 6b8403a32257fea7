"""The level of outbound TLS becomes a section with what belongs to it."""

from __future__ import annotations

import pytest

from reconciler.desired.offers.tls import find
from tests.unit.desired.offers.grounds import HEAD, after, ground, text


@pytest.mark.parametrize(
    ("settings", "section", "rest"),
    [
        (["# ours", "smtp_tls_security_level: may"], "# ours\ntls: {outbound: may}\n", ""),
        (["smtp_tls_security_level: secure", "smtp_tls_CAfile: /etc/ssl/ca.pem", "smtp_tls_CApath: '$x'"],
         "tls: {outbound: secure, ca_file: /etc/ssl/ca.pem}\n", "  smtp_tls_CApath: '$x'\n"),
        (["smtp_tls_security_level: dane", "smtp_dns_support_level: dnssec"], "tls: {outbound: dane}\n", ""),
    ],
)  # fmt: skip
def test_the_level_and_the_authorities_become_a_section(settings: list[str], section: str, rest: str) -> None:
    before = ground(f"{HEAD}  biff: no\n" + "".join(f"  {line}\n" for line in settings))

    offer = find(before)

    assert offer is not None
    assert text(offer) == f"base: none\n\n{section}\nparameters:\n  biff: no\n{rest}"
    values = {name: one.value for name, one in before.origin.parameters.items()}
    assert {name: one.value for name, one in after(before, offer).parameters.items()} == values


@pytest.mark.parametrize(
    "mail",
    [
        f"{HEAD}  smtp_tls_security_level: dane\n", f"{HEAD}  smtp_tls_security_level: ''\n",
        f"{HEAD}  smtp_tls_security_level: fingerprint\n", f"{HEAD}  smtp_tls_security_level: $x\n",
        f"{HEAD}  biff: no\n", f"tls: {{outbound: may}}\n{HEAD}  smtp_tls_security_level: may\n",
    ],
)  # fmt: skip
def test_what_the_section_can_not_say_is_not_offered(mail: str) -> None:
    assert find(ground(mail)) is None
