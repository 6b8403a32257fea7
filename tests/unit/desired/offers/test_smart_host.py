"""A relay with a login becomes a smart_host section; the password is in nothing but the secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.desired.offers.offer import NotOffered, Offer
from reconciler.desired.offers.smart_host import find
from tests.unit.desired.offers.grounds import HEAD, after, ground, text

if TYPE_CHECKING:
    from reconciler.desired.offers.offer import Ground

RELAY = "  relayhost: '[relay.example]:587'\n"
MAPS = "  smtp_sasl_password_maps: hash:/etc/postfix/sasl_passwd\n"
LOGIN = f"{RELAY}  smtp_sasl_auth_enable: yes\n{MAPS}"
ONE = "the section has one login, and smtp_sasl_password_maps has"
NO_LOGIN = "the only row of smtp_sasl_password_maps is no USER:PASSWORD that a secret can hold"
SET = "is set, and the section has one relay with one login"
ROW = "[relay.example]:587\tme:geheim:1\n"


def with_login(mail: str = f"{LOGIN}  smtp_sasl_security_options: noanonymous\n", row: str = ROW) -> Ground:
    return ground(HEAD + mail, logins=row)


def test_the_section_takes_the_place_of_the_settings() -> None:
    before = with_login(
        f"  biff: no\n\n  # our provider\n{LOGIN}"
        "  smtp_tls_security_level: encrypt\n  smtp_sasl_security_options: noanonymous\n"
    )

    offer = find(before)

    assert isinstance(offer, Offer)
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

    assert isinstance(offer, Offer)
    values = after(before, offer).parameters
    assert {name: values[name].value for name in kept} == kept


@pytest.mark.parametrize(
    ("mail", "row", "why"),
    [
        (LOGIN, "", f"{ONE} none that import can read"),
        (LOGIN, f"{ROW}[other.example]:587\tme:geheim\n", f"{ONE} 2"),
        (LOGIN, "[relay.example]:587\tgeheim\n", NO_LOGIN),
        (LOGIN, "[relay.example]:587\tme:gehe\udcffim\n", NO_LOGIN),
        (
            LOGIN, "relay.example\tme:geheim\n",
            "the only login of smtp_sasl_password_maps is for another name than [relay.example]:587",
        ),
        (LOGIN, "[relay.example]:587\t:geheim\n", "the login has no user, or blanks around its password"),
        (
            LOGIN.replace("587", "465"), ROW.replace("587", "465"),
            "[relay.example]:465 speaks TLS from the first byte, for which the section has a service of its own",
        ),
        (f"{LOGIN}  smtp_sender_dependent_authentication: yes\n", ROW, f"smtp_sender_dependent_authentication {SET}"),
        (f"{LOGIN}  smtp_tls_wrappermode: yes\n", ROW, f"smtp_tls_wrappermode {SET}"),
        (
            f"{LOGIN}  sender_dependent_relayhost_maps: hash:/etc/postfix/relays\n", ROW,
            f"sender_dependent_relayhost_maps {SET}",
        ),
    ],
)  # fmt: skip
def test_what_the_section_can_not_say_is_not_offered_and_is_said_why(mail: str, row: str, why: str) -> None:
    found = find(with_login(mail, row))

    assert found == NotOffered(why)
    assert "geheim" not in repr(found)


@pytest.mark.parametrize("mail", [LOGIN.replace("auth_enable: yes", "auth_enable: no"), RELAY + MAPS])
def test_a_relay_without_a_login_is_none(mail: str) -> None:
    assert find(with_login(mail)) is None


def test_a_service_with_a_relay_of_its_own_is_not_offered() -> None:
    master = "out unix - - n - - smtp -o smtp_sasl_auth_enable=no\n"

    found = find(ground(HEAD + LOGIN, master, logins=ROW))

    assert found == NotOffered("a service of master.cf has smtp_sasl_auth_enable of its own")


def test_a_table_of_another_name_is_to_be_removed_by_hand() -> None:
    offer = find(with_login(LOGIN.replace("postfix/sasl_passwd", "postfix/relay_login")))

    assert isinstance(offer, Offer)
    assert (
        offer.confirm[-1] == "/etc/postfix/relay_login and its map stay where they are: remove them when this is live"
    )


def test_a_second_time_there_is_nothing_left() -> None:
    assert find(ground("base: none\nsmart_host: {nexthop: '[relay.example]:587'}\n", logins=ROW)) is None
