"""A relay with a login becomes a smart_host section; the password is in nothing but the secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.desired.offers.smart_host import find
from tests.unit.desired.offers.grounds import HEAD, after, ground, text

if TYPE_CHECKING:
    from reconciler.desired.offers.offer import Ground

RELAY = "  relayhost: '[relay.example]:587'\n"
MAPS = "  smtp_sasl_password_maps: hash:/etc/postfix/sasl_passwd\n"
LOGIN = f"{RELAY}  smtp_sasl_auth_enable: yes\n{MAPS}"
ROW = "[relay.example]:587\tme:geheim:1\n"


def with_login(mail: str = f"{LOGIN}  smtp_sasl_security_options: noanonymous\n", row: str = ROW) -> Ground:
    return ground(HEAD + mail, logins=row)


def test_the_section_takes_the_place_of_the_settings() -> None:
    before = with_login(
        f"  biff: no\n\n  # our provider\n{LOGIN}"
        "  smtp_tls_security_level: encrypt\n  smtp_sasl_security_options: noanonymous\n"
    )

    offer = find(before)

    assert offer is not None
    assert text(offer) == (
        "base: none\n\n# our provider\nsmart_host:\n  nexthop: '[relay.example]:587'\n  username: me\n"
        "  password: !secret smart_host\n\nparameters:\n  biff: no\n\n  smtp_sasl_security_options: noanonymous\n"
    )
    assert offer.secret is not None
    assert offer.secret.value == "geheim:1"
    assert "geheim" not in repr(offer)
    assert offer.renamed == {"hash:/etc/postfix/sasl_passwd": "lmdb:/etc/postfix/sasl_passwd"}
    values = after(before, offer).parameters
    assert values["smtp_tls_security_level"].value == "encrypt"
    assert after(before, offer).tables["sasl_passwd"].source == b"[relay.example]:587 me:geheim:1\n"


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ("", {"smtp_sasl_tls_security_options": "$smtp_sasl_security_options", "smtp_tls_security_level": ""}),
        ("  smtp_tls_security_level: may\n", {"smtp_tls_security_level": "may"}),
        ("  smtp_sasl_tls_security_options: ''\n", {"smtp_sasl_tls_security_options": ""}),
    ],
)
def test_what_the_section_would_set_otherwise_keeps_its_value(more: str, kept: dict[str, str]) -> None:
    before = with_login(LOGIN + more)
    offer = find(before)

    assert offer is not None
    values = after(before, offer).parameters
    assert {name: values[name].value for name in kept} == kept


@pytest.mark.parametrize(
    ("mail", "row"),
    [
        (LOGIN, ""), (LOGIN, f"{ROW}[other.example]:587\tme:geheim\n"), (LOGIN, "relay.example\tme:geheim\n"),
        (LOGIN, "[relay.example]:587\tgeheim\n"), (LOGIN, "[relay.example]:587\tme:gehe\udcffim\n"),
        (LOGIN.replace("587", "465"), ROW.replace("587", "465")),
        (LOGIN.replace("auth_enable: yes", "auth_enable: no"), ROW), (RELAY + MAPS, ROW),
        (f"{LOGIN}  smtp_sender_dependent_authentication: yes\n", ROW), (f"{LOGIN}  smtp_tls_wrappermode: yes\n", ROW),
        (f"{LOGIN}  sender_dependent_relayhost_maps: hash:/etc/postfix/relays\n", ROW),
    ],
)  # fmt: skip
def test_what_the_section_can_not_say_is_not_offered(mail: str, row: str) -> None:
    assert find(with_login(mail, row)) is None


def test_a_service_with_a_relay_of_its_own_is_not_offered() -> None:
    master = "out unix - - n - - smtp -o smtp_sasl_auth_enable=no\n"

    assert find(ground(HEAD + LOGIN, master, logins=ROW)) is None


def test_a_table_of_another_name_is_to_be_removed_by_hand() -> None:
    offer = find(with_login(LOGIN.replace("postfix/sasl_passwd", "postfix/relay_login")))

    assert offer is not None
    assert (
        offer.confirm[-1] == "/etc/postfix/relay_login and its map stay where they are: remove them when this is live"
    )


def test_a_second_time_there_is_nothing_left() -> None:
    assert find(ground("base: none\nsmart_host: {nexthop: '[relay.example]:587'}\n", logins=ROW)) is None
