"""The clients of a rehearsal: who talks to which listener, and as whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.rehearsals import script_of

if TYPE_CHECKING:
    from reconciler.rehearsal.inside.messages import Dialogue

SASL = {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_path": "smtpd", "inet_protocols": "ipv4"}
SCREEN = "smtpd pass - - n - - smtpd\n192.0.2.10:2526 inet n - n - 1 postscreen\n"


def dialogues(
    kind: str, parameters: dict[str, str] | None = None, files: dict[str, str] | None = None
) -> list[Dialogue]:
    played = script_of(parameters, files).play["dialogues"]
    assert len({one["id"] for one in played}) == len(played)
    return [one for one in played if one["kind"] == kind]


def test_a_stranger_logs_in_and_sends_to_another_host_from_an_address_of_ours() -> None:
    (login,) = dialogues("login", SASL)
    assert (login["listener"]["address"], login["client"]) == ("192.0.2.10", "203.0.113.7")
    assert login["login"] == "rehearsal"
    assert login["sender"] == "info@v.example"
    assert login["recipients"] == ["somebody@remote.rehearsal.example"]
    assert not dialogues("forged", SASL)
    assert not dialogues("login")


def test_an_address_with_an_owner_is_sent_from_by_its_owner_and_by_another() -> None:
    logins = {"tables/logins": "@v.example any\nOPS o\nada@v.example ada,ops\n"}
    owned = SASL | {"smtpd_sender_login_maps": "table:logins"}
    (login,), (forged,) = dialogues("login", owned, logins), dialogues("forged", owned, logins)
    assert (login["sender"], login["login"]) == ("ada@v.example", "ada")
    assert (forged["sender"], forged["login"]) == ("ada@v.example", "somebody-else")
    inline = SASL | {"smtpd_sender_login_maps": "inline:{ {bob@v.example=bob} }"}
    assert dialogues("login", inline)[0]["login"] == "bob"


def test_nobody_logs_in_where_owners_can_not_be_read() -> None:
    assert not dialogues("login", SASL | {"smtpd_sender_login_maps": "ldap:/etc/postfix/logins"})
    patterns = {"tables/logins.regexp": "/^(.*)@v.example$/ $1\n"}
    assert not dialogues("login", SASL | {"smtpd_sender_login_maps": "table:logins"}, patterns)


def test_postscreen_has_a_stranger_with_one_recipient_and_its_shortest_wait() -> None:
    (screened,) = dialogues("screened", files={"master.d/p.cf": SCREEN})
    assert (screened["listener"]["port"], screened["recipients"]) == (2526, ["postmaster@mx.test.example"])
    assert not screened["listener"]["choosy"]
    assert "postscreen_greet_wait=1s" in script_of(files={"master.d/p.cf": SCREEN}).master_cf
    listed = {"postscreen_access_list": "permit_mynetworks, cidr:{ {10.0.0.0/8 permit} }"}
    assert dialogues("screened", listed, {"master.d/p.cf": SCREEN})[0]["listener"]["choosy"]


def test_an_address_on_which_postscreen_puts_every_new_client_off_is_not_tried() -> None:
    backup = {"postscreen_allowlist_interfaces": "!192.0.2.10, static:all"}
    assert not dialogues("screened", backup, {"master.d/p.cf": SCREEN})
    primary = {"postscreen_whitelist_interfaces": "192.0.2.10"}
    assert dialogues("screened", primary, {"master.d/p.cf": SCREEN})[0]["listener"]["choosy"]
