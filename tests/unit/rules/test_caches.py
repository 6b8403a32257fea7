"""Caches that two programs of Postfix would lock, and those that several may write."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

TWO = """smtpd pass - - n - - smtpd
127.0.0.1:2526 inet n - n - 1 postscreen
192.0.2.10:2526 inet n - n - 1 postscreen
"""


def test_two_postscreens_on_one_cache_are_refused_at_the_second() -> None:
    text = only_finding("shared-cache", files={"master.d/x.cf": TWO})
    assert text.startswith("master.d/x.cf:3:1: ")
    assert "postscreen (127.0.0.1:2526)" in text
    assert "proxy:btree:/var/lib/postfix/postscreen_cache" in text


@pytest.mark.parametrize(
    ("parameters", "more"),
    [
        ({"postscreen_cache_map": "proxy:btree:$data_directory/postscreen_cache"}, ""),
        ({"postscreen_cache_map": "lmdb:$data_directory/postscreen_cache"}, ""),
        ({"postscreen_cache_map": ""}, ""),
        ({}, "  -o postscreen_cache_map=btree:$data_directory/other_cache\n"),
    ],
)
def test_a_cache_of_its_own_or_for_several_is_fine(parameters: dict[str, str], more: str) -> None:
    assert not findings_of("shared-cache", parameters, {"master.d/x.cf": TWO + more})


def test_a_cache_of_two_kinds_of_programs_is_refused_where_it_is_set() -> None:
    shared = {"address_verify_map": "btree:$data_directory/c", "postscreen_cache_map": "btree:${data_directory}/c"}
    one = TWO.rpartition("192")[0]
    assert "verify (verify)" in only_finding("shared-cache", shared, {"master.d/x.cf": one})
    assert not findings_of("shared-cache", shared)


def test_one_cache_for_sessions_of_clients_and_of_servers_is_refused() -> None:
    sessions = {f"{one}_tls_session_cache_database": "lmdb:$data_directory/sessions" for one in ("smtpd", "smtp")}
    text = only_finding("shared-cache", sessions)
    assert text.startswith("mail.yaml:9:")
    assert "tlsmgr (tlsmgr) would exit" in text
