"""What lies outside Postfix: servers that are asked, ports that mail goes to, and tables that only a server answers."""

from __future__ import annotations

import pytest

from reconciler.features.composition import compose
from reconciler.postfix.scopes import Scope
from reconciler.rehearsal import outside
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST


def main(parameters: dict[str, str], files: dict[str, str] | None = None) -> Scope:
    return Scope(compose(desired(parameters, files), HOST), HOST)


@pytest.mark.parametrize(("protocols", "address"), [("all", "127.0.0.1"), ("ipv4", "127.0.0.1"), ("ipv6", "::1")])
def test_the_loopback_address_is_one_of_the_family_that_postfix_speaks(protocols: str, address: str) -> None:
    assert outside.loopback(main({"inet_protocols": protocols})) == address


def test_tables_of_databases_are_known_and_stood_in_for_by_empty_ones() -> None:
    value = "proxy:mysql:/etc/m.cf, ldap:/etc/l.cf, lmdb:/etc/x"
    scope = main({"virtual_mailbox_maps": value})

    assert outside.databases(scope.merged, HOST) == ("ldap:/etc/l.cf", "proxy:mysql:/etc/m.cf")
    assert outside.without_databases(value) == "texthash:/dev/null, texthash:/dev/null, lmdb:/etc/x"


def test_ports_are_those_of_values_and_of_rows() -> None:
    rows = {"tables/transport": "a.example smtp:[b.example]:2525\nc.example smtp:d.example:99999\n"}
    texts = outside.texts(main({"relayhost": "[relay.example]:587"}, rows))

    assert outside.ports(texts) >= {587, 2525}
    assert not any(port > 65535 for port in outside.ports(texts))


def test_tls_comes_first_on_465_and_on_the_port_of_a_relay_that_is_wrapped() -> None:
    relay = {"relayhost": "[relay.example]:2465"}

    assert outside.wrapped_ports(main(relay)) == {465}
    assert outside.wrapped_ports(main(relay | {"smtp_tls_wrappermode": "yes"})) == {465, 2465}


def test_every_server_that_is_asked_is_found_once_with_its_kind() -> None:
    scope = main(
        {
            "smtpd_milters": "inet:127.0.0.1:3999, { unix:/run/milter, default_action=accept }",
            "non_smtpd_milters": "inet:127.0.0.1:3999",
            "smtpd_data_restrictions": "check_policy_service inet:192.0.2.99:10023",
            "virtual_alias_maps": "tcp:localhost:7777",
        }
    )
    partners = {
        (one["kind"], one.get("path", one.get("address")), one.get("port"), one.get("near"))
        for one in outside.stand_ins(scope, scope.merged.entries, outside.texts(scope))
    }

    assert partners == {
        ("milter", "127.0.0.1", 3999, True),
        ("milter", "/run/milter", None, None),
        ("policy", "192.0.2.99", 10023, False),
        ("tcp", "127.0.0.1", 7777, True),
    }


def test_a_socket_that_the_configuration_itself_serves_is_no_partner() -> None:
    own = {"master.d/x.cf": "policy unix - n n - 0 spawn user=nobody argv=/bin/x\n"}
    scope = main({"smtpd_data_restrictions": "check_policy_service unix:private/policy"}, own)

    assert list(outside.stand_ins(scope, scope.merged.entries, outside.texts(scope))) == []


def test_a_socketmap_is_asked_without_the_name_of_its_map() -> None:
    scope = main({"virtual_alias_maps": "socketmap:inet:192.0.2.78:8888:users, socketmap:unix:/run/maps:users"})

    servers = [
        one
        for one in outside.stand_ins(scope, scope.merged.entries, outside.texts(scope))
        if one["kind"] == "socketmap"
    ]
    assert servers == [
        {"kind": "socketmap", "address": "192.0.2.78", "port": 8888, "near": False},
        {"kind": "socketmap", "path": "/run/maps"},
    ]


def test_block_lists_are_those_of_restrictions_and_of_postscreen() -> None:
    scope = main(
        {
            "smtpd_client_restrictions": "reject_rbl_client Zen.example=127.0.0.2, permit",
            "postscreen_dnsbl_sites": "bl.example*2",
        }
    )

    assert {"zen.example", "bl.example"} <= set(outside.block_lists(scope))


@pytest.mark.parametrize(
    ("parameters", "may"),
    [
        ({}, True),
        ({"smtp_tls_security_level": "may"}, True),
        ({"smtp_tls_security_level": "encrypt"}, False),
        ({"smtp_tls_security_level": "dane"}, False),
        ({"lmtp_tls_security_level": "verify"}, False),
        ({"smtp_tls_policy_maps": "inline:{x.example=encrypt}"}, False),
        ({"smtp_enforce_tls": "yes"}, False),
        ({"smtp_sasl_auth_enable": "yes"}, False),
        ({"smtpd_tls_security_level": "encrypt"}, True),
    ],
)
def test_a_delivery_may_be_in_plain_text_if_no_setting_says_otherwise(parameters: dict[str, str], may: bool) -> None:
    assert outside.never_needs_tls(main(parameters)) is may


def test_one_service_that_needs_tls_is_enough() -> None:
    services = {"master.d/x.cf": "out unix - - n - - smtp\n  -o smtp_tls_security_level=secure\n"}
    assert not outside.never_needs_tls(main({"smtp_tls_security_level": "may"}, services))
