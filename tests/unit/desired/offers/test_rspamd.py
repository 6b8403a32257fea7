"""rspamd's own settings say what it signs; keys of several domains, maps and Redis are said to be more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.desired.offers.rspamd import OPTIONS, SETTINGS, named, read
from reconciler.desired.offers.signing import Signing
from reconciler.model import Secret
from tests.unit.dkim_keys import KEY

SHIPPED: dict[str, Any] = {
    "use_redis": False, "key_prefix": "DKIM_KEYS", "symbol": "DKIM_SIGNED", "sign_authenticated": True,
    "use_esld": True, "selector": "dkim", "use_domain": "header", "allow_hdrfrom_mismatch": False,
    "allow_envfrom_empty": True, "allow_hdrfrom_multiple": False, "sign_networks": ["127.2.4.7"], "sign_local": True,
    "allow_username_mismatch": False, "try_fallback": True,
}  # fmt: skip
ONE = {"example.com": {"path": "/k", "selector": "S1"}}
ANY = {"path": "/keys/$domain.${selector}.key"}


def files(options: object = None, /, **settings: object) -> dict[str, Secret]:
    local = {"local_addrs": ["10.0.0.0/8", "fd00::/8", "127.2.4.7"]} if options is None else options
    texts = {SETTINGS: json.dumps(SHIPPED | settings), OPTIONS: json.dumps(local)}
    texts |= dict.fromkeys(("/k", "/keys/a.example.dkim.key", "/keys/b.example.dkim.key", "/all"), KEY)
    return {path: Secret(path, text) for path, text in texts.items()}


def test_a_domain_with_its_key() -> None:
    before = files(domain=ONE)

    found = read(before)

    assert named(before) == {"/k"}
    assert isinstance(found, Signing)
    assert (found.program, found.domains, found.selector, found.path) == ("rspamd", ("example.com",), "s1", "/k")
    assert (found.networks, found.socket) == (("10.0.0.0/8", "fd00::/8"), "inet:11332@localhost")
    assert found.told == (
        "rspamd keeps its other settings, and signs by those of the section instead of its own",
        "mail of a subdomain is signed no longer (use_esld), unless you add it to domains and publish its record",
        "mail whose envelope sender has another domain than its author is signed too",
        "mail of a login is signed whatever the domain of its name",
    )
    assert KEY not in repr(found)


def test_one_selector_in_a_list_is_one() -> None:
    found = read(files(domain={"example.com": {"selectors": [{"path": "/k", "selector": "s2"}]}}))

    assert isinstance(found, Signing)
    assert found.selector == "s2"


def test_domains_are_those_that_have_a_key_where_the_path_says() -> None:
    before = files(**ANY)

    found = read(before)

    assert named(before) == {"/keys/*.dkim.key"}
    assert isinstance(found, Signing)
    assert (found.domains, found.selector) == (("a.example", "b.example"), "dkim")


def test_one_path_for_all_domains() -> None:
    changes = {"use_esld": False, "allow_hdrfrom_mismatch": True, "allow_username_mismatch": True}

    found = read(files(path="/all", sign_local=False, sign_networks=["127.0.0.1"], **changes))

    assert isinstance(found, Signing)
    assert (found.domains, found.networks) == ((), ())
    assert found.told == ("rspamd keeps its other settings, and signs by those of the section instead of its own",)


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ({}, "rspamd does not say its settings"),
        (files([], domain=ONE), "rspamd does not say its settings"),
        (files(use_vault=True), "rspamd has use_vault in dkim_signing, which the section can't say"),
        (files(use_redis=True), "rspamd has use_redis = True in dkim_signing, which the section can't say"),
        (
            files(domain={**ONE, "b.example": {"path": "/k", "selector": "s2"}}),
            "rspamd signs with 2 selectors and 1 key, and the section with one key of one selector for all domains",
        ),
        (
            files(),
            "rspamd signs with 0 selectors and 0 keys, and the section with one key of one selector for all domains",
        ),
        (
            files(domain={"a.test": [ONE["example.com"], ONE["example.com"]]}),
            "rspamd's settings for a.test are not one block with a list of selectors",
        ),
        (
            files(domain={"a.test": {"selectors": ONE["example.com"]}}),
            "rspamd's settings for a.test are not one block with a list of selectors",
        ),
        (files(domain="/etc/rspamd/domains.map"), "rspamd has its domains in a map"),
        (files(domain={"a.test": {"path": "/$other"}}), "the path of rspamd's key for a.test is not one of a file"),
        (
            files(path="/all"),
            "rspamd signs all domains by their registered names (use_esld), and the section by their own",
        ),
        (files(domain=ONE, sign_networks="/map"), "rspamd has the networks that it signs for in a map"),
        (files({"local_addrs": ["x"]}, domain=ONE), "rspamd signs for x, which is not a network"),
        (
            files(domain=ONE, sign_local=False),
            "rspamd does not sign mail over the loopback interface, and the section does",
        ),
    ],
)  # fmt: skip
def test_what_the_section_can_not_say_is_said_why(before: dict[str, Secret], why: str) -> None:
    assert read(before) == why
