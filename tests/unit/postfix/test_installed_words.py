"""The words that are looked for in the installed programs."""

from __future__ import annotations

from reconciler.postfix.installed_words import WORDS
from tests.unit.host_facts import UNSAID


def test_words_of_every_kind_are_looked_for_and_short_ones_are_not() -> None:
    assert {"policy_type", "reject_unknown_sender_domain", "hold", "prepend", "normalize", "dane-only"} <= WORDS
    assert not {"", "0", "ok"} & WORDS


def test_this_postfix_lacks_only_what_newer_versions_brought() -> None:
    policy = {"enable_rpk", "policy_domain", "policy_failure", "policy_string", "policy_ttl", "policy_type"}
    assert policy <= UNSAID
    assert UNSAID - policy == {"mx_host_pattern", "note", "reject_unknown_forward_client_hostname"}
