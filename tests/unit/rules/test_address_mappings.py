"""Addresses that no entry into the queue maps, and the filters that hand mail back."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

OFF = {"receive_override_options": "no_header_body_checks, no_address_mappings"}
SCAN = "scan unix - - n - 2 smtp\n"
FILTERED = {"content_filter": "scan:[127.0.0.1]:3399"}
BACK = "127.0.0.1:10025 inet n - n - - smtpd\n  -o content_filter=\n"
BACK_OFF = f"{BACK}  -o receive_override_options=no_address_mappings\n"
BACK_ON = f"{BACK}  -o receive_override_options=no_milters\n"


def test_aliases_that_no_entry_looks_up_are_refused_where_they_are_turned_off() -> None:
    text = only_finding("no-mappings", OFF)
    assert text.startswith("mail.yaml:8:31: receive_override_options: no_address_mappings turns virtual_alias_domains")


def test_one_public_listener_that_maps_nothing_is_enough() -> None:
    listener = "192.0.2.10:2525 inet n - n - - smtpd\n  -o receive_override_options=no_address_mappings\n"
    assert only_finding("no-mappings", files={"master.d/x.cf": listener}).startswith("master.d/x.cf:2:")


def test_both_sides_of_a_filter_that_map_nothing_are_refused_behind_it() -> None:
    text = only_finding("no-mappings", OFF | FILTERED, {"master.d/s.cf": SCAN + BACK_OFF})
    assert text.startswith("master.d/s.cf:4:")


@pytest.mark.parametrize(
    ("parameters", "master"),
    [
        (OFF | FILTERED, SCAN + BACK_ON),
        (FILTERED, SCAN + BACK_OFF),
        (FILTERED, SCAN + BACK_OFF.replace("127.0.0.1:10025", "192.0.2.10:10025")),
        ({}, f"{SCAN}192.0.2.10:26 inet n - n - - smtpd\n  -o content_filter=scan:x\n  -o {'='.join(*OFF.items())}\n"),
        ({}, BACK_OFF),
        (OFF | {"virtual_alias_domains": "", "virtual_alias_maps": ""}, ""),
    ],
)
def test_mail_that_is_mapped_before_or_behind_a_filter_is_fine(parameters: dict[str, str], master: str) -> None:
    master = master.replace(", ", ",")
    assert not findings_of("no-mappings", parameters, {"master.d/s.cf": master} if master else {})


def test_a_filter_of_an_access_table_may_hand_mail_back_anywhere() -> None:
    table = {"tables/senders": "a.example FILTER scan:[127.0.0.1]:3399\n", "master.d/s.cf": SCAN}
    assert not findings_of("no-mappings", OFF, table)


def test_copies_that_are_never_made_are_only_told_of() -> None:
    none = {"virtual_alias_domains": "", "virtual_alias_maps": "", "always_bcc": "root@mx.test.example"}
    (finding,) = findings_of("no-mappings", OFF | none)
    assert not finding.is_error
    assert "always_bcc" in finding.text
