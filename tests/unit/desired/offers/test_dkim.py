"""A Milter that may sign is no offer, because every signature would change; the reason is said."""

from __future__ import annotations

import pytest

from reconciler.desired.offers.dkim import find
from reconciler.desired.offers.offer import NotOffered
from tests.unit.desired.offers.grounds import HEAD, ground


@pytest.mark.parametrize(
    ("mail", "master", "said"),
    [
        ("  smtpd_milters: inet:localhost:8891\n", "", "smtpd_milters asks opendkim, which may sign"),
        ("  smtpd_milters: unix:opendkim/opendkim.sock\n", "", "smtpd_milters asks opendkim, which may sign"),
        ("  non_smtpd_milters: inet:127.0.0.1:11332\n", "", "non_smtpd_milters asks rspamd, which may sign"),
        ("  m: inet:127.0.0.1:11332\n  smtpd_milters: $m\n", "", "smtpd_milters asks rspamd, which may sign"),
        (
            "", "submission inet n - n - - smtpd -o smtpd_milters=local:run/dkimpy-milter.sock\n",
            "smtpd_milters asks dkimpy-milter, which may sign",
        ),
    ],
)  # fmt: skip
def test_a_signer_is_known_by_its_socket(mail: str, master: str, said: str) -> None:
    found = find(ground(f"{HEAD}  biff: no\n{mail}", f"smtp inet n - n - - smtpd\n{master}"))

    assert isinstance(found, NotOffered)
    assert found.why.partition(":")[0] == said


@pytest.mark.parametrize("mail", ["", "  smtpd_milters: inet:localhost:113320\n", "  x: inet:localhost:8891\n"])
def test_another_milter_is_none(mail: str) -> None:
    assert find(ground(f"{HEAD}  biff: no\n{mail}", "smtp inet n - n - - smtpd\n")) is None


def test_the_section_itself_is_none() -> None:
    mail = f"dkim: {{enabled: no}}\n{HEAD}  smtpd_milters: inet:localhost:11332\n"

    assert find(ground(mail, "smtp inet n - n - - smtpd\n")) is None
