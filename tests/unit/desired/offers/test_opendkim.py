"""opendkim's files say what it signs; more than one key of one selector for whole domains is said to be more."""

from __future__ import annotations

import pytest

from reconciler.desired.offers.opendkim import CONFIGURATION, named, read
from reconciler.desired.offers.signing import Signing
from reconciler.model import Secret
from tests.unit.dkim_keys import KEY, OTHER

ONE = "# signs\nDomain  example.com, Example.net\nselector Mail # since 2019\nKeyFile /k\nSocket inet:8891@localhost\n"
TABLES = "KeyTable file:/keys\nSigningTable refile:/signers\nInternalHosts /hosts\nMode s\n"


def files(conf: str, **more: str) -> dict[str, Secret]:
    texts = {CONFIGURATION: conf, "/k": KEY, **{f"/{name}": text for name, text in more.items()}}
    return {path: Secret(path, text) for path, text in texts.items()}


def tables(
    keys: str = "a example.com:s1:/k\nb %:s1:/k\n",
    signers: str = "*@example.com a\n*@b.example b # the shop\n",
    hosts: str = "127.0.0.0/8\n::1\n192.0.2.0/24\n",
    conf: str = TABLES,
    **more: str,
) -> dict[str, Secret]:
    return files(conf, keys=keys, signers=signers, hosts=hosts, **more)


def test_one_key_for_a_list_of_domains() -> None:
    found = read(files(ONE))

    assert isinstance(found, Signing)
    assert (found.domains, found.selector, found.path) == (("example.com", "example.net"), "mail", "/k")
    assert (found.networks, found.socket) == ((), "inet:8891@localhost")
    assert found.told[2:] == (
        "the canonicalization is relaxed/relaxed instead of simple/simple",
        "signatures of mail from elsewhere are verified no longer, and it gets no Authentication-Results header",
        "mail over the loopback interface is signed from all of its addresses (127.0.0.0/8 and ::1)",
    )
    assert KEY not in repr(found)


def test_tables_with_one_key() -> None:
    found = read(tables())

    assert isinstance(found, Signing)
    assert (found.domains, found.selector) == (("example.com", "b.example"), "s1")
    assert found.networks == ("192.0.2.0/24",)
    assert found.told[2:] == ("the canonicalization is relaxed/relaxed instead of simple/simple",)


def test_a_signing_table_without_patterns_has_bare_domains() -> None:
    conf = TABLES.replace("refile:/signers", "/signers")

    found = read(tables(signers="example.com a\n", conf=conf))
    patterns = read(tables(conf=conf))

    assert isinstance(found, Signing)
    assert found.domains == ("example.com",)
    assert patterns == "the signing table of opendkim has *@example.com, and the section signs for a whole domain"


def test_the_files_are_those_that_the_configuration_and_its_key_table_name() -> None:
    assert named({}) == {CONFIGURATION}
    assert named(files(ONE)) == {CONFIGURATION, "/k"}
    assert named(files(TABLES)) == {CONFIGURATION, "/keys", "/signers", "/hosts"}
    assert named(tables()) == {CONFIGURATION, "/keys", "/signers", "/hosts", "/k"}


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ({}, "/etc/opendkim.conf can't be read"),
        (files(f"{ONE}SELECTOR x\n"), "/etc/opendkim.conf has SELECTOR twice"),
        (files(f"{ONE}LuaOnly x\n"), "opendkim has luaonly, which the section can't say"),
        (files(f"{ONE}SubDomains yes\n"), "opendkim has subdomains yes, which the section can't say"),
        (files(f"{ONE}Mode v\n"), "opendkim does not sign (mode v)"),
        (
            files(f"{ONE}KeyTable /keys\n"),
            "opendkim has neither Domain, Selector and KeyFile alone, nor KeyTable and SigningTable alone",
        ),
        (files(ONE.replace("/k", "/other")), "/other can't be read"),
        (
            files(ONE.replace("example.com, Example.net", "file:/k")),
            "Domain of opendkim is file:/k, and import reads a list of domains there",
        ),
        (files(ONE.replace("example.com,", "*")), "opendkim signs for *, which is not a domain"),
        (files(ONE.replace("Mail", "a.b")), "the selector a.b is not one label, and the section takes no other"),
        (
            tables(conf=TABLES.replace("file:/keys", "mdb:/keys")),
            "keytable of opendkim is mdb:/keys, and import reads a file there",
        ),
        (
            tables(signers="ada@example.com a\n"),
            "the signing table of opendkim has ada@example.com, and the section signs for a whole domain",
        ),
        (
            tables(keys="a example.com:s1:MIIEvg\n"),
            "the key table of opendkim has no domain, selector and file of a key for a",
        ),
        (
            tables(keys="a example.org:s1:/k\n"),
            "opendkim signs mail of example.com as example.org, and the section as example.com",
        ),
        (
            tables(keys="a %:s1:/k\nb %:s2:/k\n"),
            "opendkim signs with 2 selectors and 1 key, and the section with one key of one selector for all domains",
        ),
        (
            tables(keys="a %:s1:/k\nb %:s1:/k2\n", k2=OTHER),
            "opendkim signs with 1 selector and 2 keys, and the section with one key of one selector for all domains",
        ),
        (
            tables(hosts="127.0.0.1\n*.example.com\n"),
            "InternalHosts of opendkim has *.example.com, and the section signs for networks alone",
        ),
        (
            tables(hosts="127.0.0.1\n192.0.2.1/24\n"),
            "InternalHosts of opendkim has 192.0.2.1/24, and the section signs for networks alone",
        ),
        (
            tables(hosts="192.0.2.0/24\n"),
            "InternalHosts of opendkim lacks 127.0.0.1, and the section signs mail over the loopback interface",
        ),
    ],
)  # fmt: skip
def test_what_the_section_can_not_say_is_said_why(before: dict[str, Secret], why: str) -> None:
    assert read(before) == why
