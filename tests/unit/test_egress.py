"""The lockdown's rules as text, what is said against a section, and what the kernel's messages tell."""

from __future__ import annotations

import pytest

from reconciler.daemon.egress_log import attributes, messages, refusal
from reconciler.features import compose, egress
from reconciler.host.programs import nftables
from reconciler.model import Severity
from reconciler.model.errors import InvalidSource
from tests.unit.facts import HOST, facts
from tests.unit.states import desired, the, told

WITH_RSPAMD = facts(users=HOST.users | {"_rspamd"}, packages={"nftables": "1.0.6-2+deb12u2"})
ON = {"lockdown": True, "ports": [25], "allow_users": ["_rspamd"]}


def rules_of(section: object, parameters: dict[str, str] | None = None) -> str:
    """The text that a section makes; empty when it is off."""
    merged = compose(desired(parameters, egress=section), WITH_RSPAMD)
    found = merged.companions.get(egress.NAME)
    return found.files[egress.FILE].read().decode() if found else ""


def test_only_the_mail_system_and_those_who_are_named_are_let_out() -> None:
    text = rules_of(ON)

    assert 'meta skuid { "_rspamd", "postfix" } accept' in text
    assert "tcp dport { 25 }" in text
    assert rules_of(ON) == text
    assert 'meta skuid { "mailer" } accept' in rules_of({"ports": [587, 25, 25]}, {"mail_owner": "mailer"})
    assert "tcp dport { 25, 587 }" in rules_of({"ports": [587, 25, 25]})


@pytest.mark.parametrize("section", [{"lockdown": False}, {"lockdown": False, "ports": [25]}])
def test_off_contributes_nothing(section: object) -> None:
    assert rules_of(section) == ""


def test_the_text_replaces_what_is_there_and_touches_no_other_table() -> None:
    lines = [line for line in egress.ruleset((25,), ("postfix",)).splitlines() if not line.startswith(("#", " ", "}"))]

    assert lines == ["table inet reconciler", "delete table inet reconciler", "table inet reconciler {"]


def test_who_is_named_must_exist() -> None:
    text = the("unknown-user", facts=WITH_RSPAMD, egress=ON | {"allow_users": ["_rspam"]})

    assert 'there is no user "_rspam" on this host; did you mean _rspamd?' in text
    assert text.startswith("mail.yaml:")
    assert not told("unknown-user", facts=WITH_RSPAMD, egress=ON)
    assert not told("unknown-user", facts=WITH_RSPAMD, egress={"lockdown": False, "allow_users": ["nobody-else"]})


def test_ports_that_others_need_are_told_of_and_none_at_all_is_refused() -> None:
    (finding,) = told("egress-port", facts=WITH_RSPAMD, egress=ON | {"ports": [25, 443]})
    assert (finding.severity, finding.subject) == (Severity.WARNING, "443")
    (finding,) = told("egress-port", facts=WITH_RSPAMD, egress=ON | {"ports": []})
    assert finding.is_error
    assert not told("egress-port", facts=WITH_RSPAMD, egress=ON | {"ports": [25, 465, 587, 2525]})


def test_a_host_without_nftables_is_told_which_package() -> None:
    assert "apt install nftables" in the("missing-package", facts=facts(packages={}), egress={"ports": [25]})
    assert not told("missing-package", facts=WITH_RSPAMD, egress=ON)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"lockdwn": True}, "did you mean lockdown"),
        ({"lockdown": "perhaps"}, "yes or no"),
        ({"ports": [0]}, "greater than or equal to 1"),
        ({"ports": [70000]}, "less than or equal to 65535"),
        ({"ports": "25"}, "a list"),
        ({"allow_users": "_rspamd"}, "write allow_users: [_rspamd]"),
        ({"allow_users": ['x" } accept; meta skuid { "y']}, "valid"),
        ("yes", "a mapping"),
    ],
)
def test_a_section_of_the_wrong_shape_is_refused_at_its_place(section: object, said: str) -> None:
    with pytest.raises(InvalidSource) as raised:
        desired(egress=section)

    assert said in str(raised.value)
    assert "mail.yaml:" in str(raised.value)


# What the kernel sent for `connect(192.0.2.77:25)` by nobody, and for `nft add rule inet reconciler output accept`.
REPORTED = bytes.fromhex(
    "7c000000000400000000000000000000020009dd080001000800030005000a0000000000080005000000000308000b000000"
    "fffe08000e000000fffe400009004500003ccd5f40004006e904c000020ac000024dd45a00195d15229e00000000a002faf0"
    "84860000020405b40402080a62862d8a000000000103030a"
)
ADDED = bytes.fromhex(
    "70000000060a000c010000003f000000010000030f0001007265636f6e63696c657200000b0002006f757470757400000c00"
    "0300000000000000000b34000400300001000e000100696d6d6564696174650000001c000200080001000000000010000200"
    "0c0002000800010000000001"
)


def test_what_the_kernel_tells_is_read() -> None:
    ((kind, body),) = messages(REPORTED)
    found = refusal(body)

    assert (kind, found.uid, found.to) == (0x400, 65534, "[192.0.2.77]:25")
    told_of = next(attributes(body)[1] for _, body in messages(ADDED))
    assert told_of == b"reconciler\0"


def test_half_a_message_is_no_trouble() -> None:
    for length in range(len(REPORTED)):
        for _, body in messages(REPORTED[:length]):
            refusal(body)


def test_the_counts_of_the_table_are_read() -> None:
    text = (
        '{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"set": {"family": "inet", "name": "tried", "elem": ['
        '{"elem": {"val": 0, "expires": 86399, "counter": {"packets": 1, "bytes": 60}}},'
        '{"elem": {"val": 65534, "expires": 86397, "counter": {"packets": 3, "bytes": 180}}}]}}]}'
    )

    assert [(one.uid, one.user, one.times) for one in nftables.elements(text)] == [(0, "root", 1), (65534, "nobody", 3)]
    assert list(nftables.elements('{"nftables": [{"set": {"name": "tried"}}]}')) == []
