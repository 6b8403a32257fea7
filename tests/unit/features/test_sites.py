"""Sites: what their files make, and what the rules have against them; that mail leaves so is tests/e2e's."""

from __future__ import annotations

import pytest

from reconciler.desired.lint import mentioned
from reconciler.features.composition import compose
from reconciler.features.sites import MAPS
from reconciler.model import Facts, Severity
from reconciler.model.errors import InvalidSource
from tests.unit.desired_states import desired, findings_of, linted, only_finding
from tests.unit.host_facts import HOST, facts

NAMES = {"192.0.2.10": ("one.example",), "2001:db8::10": ("one.example", "two.example")}
KNOWN = facts(names=NAMES)
ONE = {"sites/site1/site.yaml": "domains: [one.example]\ndelivery: {address: 192.0.2.10, helo: one.example}\n"}
TWELVE = {
    "sites/site12/site.yaml": "domains: [Two.example, three.example]\n"
    'delivery:\n  address: "2001:db8::10"\n  helo: two.example\n'
}
BOTH = ONE | TWELVE


def services(files: dict[str, str], **sections: object) -> dict[str, dict[str, str]]:
    """The options of each site's service."""
    merged = compose(desired(None, files, **sections), KNOWN)
    return {
        service.name: {one.name: one.value for one in service.overrides}
        for service in merged.entries
        if service.name.startswith("site")
    }


def test_a_site_with_an_address_brings_a_service_and_rows_for_its_domains() -> None:
    made = services(BOTH)
    assert made["site1-out"] == {
        "syslog_name": "postfix/site1-out", "smtp_helo_name": "one.example", "smtp_bind_address": "192.0.2.10",
        "smtp_bind_address_enforce": "yes", "inet_protocols": "ipv4",
    }  # fmt: skip
    assert made["site12-out"]["smtp_bind_address6"] == "2001:db8::10"
    assert made["site12-out"]["inet_protocols"] == "ipv6"
    merged = compose(desired(files=BOTH), KNOWN)
    rows = merged.tables["site_transport"]
    assert rows.source == b"@one.example site1-out:\n@two.example site12-out:\n@three.example site12-out:\n"
    assert rows.at(3).file == "sites/site12/site.yaml"
    assert not [finding for finding in linted(desired(files=BOTH), KNOWN) if finding.is_error]


def test_a_site_that_did_not_change_brings_the_very_same_service_for_as_long_as_all_else_is_the_same() -> None:
    text = "domains: [same.example]\ndelivery: {address: 192.0.2.10, helo: same.example}\n"
    for _ in range(2):  # its file is known to be valid from then on
        first = compose(desired(files={"sites/site1/site.yaml": text}), KNOWN)
    again = compose(desired(files={"sites/site1/site.yaml": text, "sites/site2/site.yaml": "{}\n"}), KNOWN)
    assert again.services["site1-out/unix"] is first.services["site1-out/unix"]
    assert again.tables["site_transport"].at(1) == first.tables["site_transport"].at(1)
    moved = compose(desired(files={"sites/site3/site.yaml": text}), KNOWN).services["site3-out/unix"]
    assert moved
    assert (moved.name, moved.where.file) == ("site3-out", "sites/site3/site.yaml")
    longer = compose(desired(files={"sites/site1/site.yaml": f"# a comment\n{text}"}), KNOWN)
    assert longer.tables["site_transport"].at(1).line == first.tables["site_transport"].at(1).line + 1
    wrapped = desired(None, {"sites/site1/site.yaml": text}, smart_host={"nexthop": "[relay.example]:465"})
    service = compose(wrapped, KNOWN).services["site1-out/unix"]
    assert service
    assert "smtp_tls_wrappermode" in {one.name for one in service.overrides}


def test_both_families_leave_by_one_service_and_an_old_postfix_is_not_asked_for_more() -> None:
    both = {"sites/site7/site.yaml": "delivery: {address: [192.0.2.10, '2001:db8::10'], helo: one.example}\n"}
    options = services(both)["site7-out"]
    assert "inet_protocols" not in options
    assert (options["smtp_bind_address"], options["smtp_bind_address6"]) == ("192.0.2.10", "2001:db8::10")
    wrapped = services(both, smart_host={"nexthop": "[relay.example]:465"})
    assert wrapped["site7-out"]["smtp_tls_wrappermode"] == "yes"
    older = facts(parameters={name: value for name, value in HOST.parameters.items() if "enforce" not in name})
    merged = compose(desired(files=both), older)
    assert "smtp_bind_address_enforce" not in [one.name for one in merged.services["site7-out/unix"].overrides]  # type: ignore[union-attr]


def test_the_rows_that_people_write_prevail_over_those_of_sites() -> None:
    theirs = ONE | {"tables/sender_transport": "@one.example relaylim:\n"}
    value = compose(desired(files=theirs), KNOWN).parameters[MAPS].value
    assert value == "lmdb:$config_directory/sender_transport, lmdb:$config_directory/site_transport"
    assert compose(desired(files=ONE), KNOWN).parameters[MAPS].value == "lmdb:$config_directory/site_transport"
    assert MAPS not in compose(desired(files={"sites/site1/site.yaml": "domains: [one.example]\n"}), KNOWN).parameters
    assert findings_of("unasked-sites", {MAPS: "inline:{ @x.example=smtp: }"}, ONE, KNOWN)
    assert not findings_of("unasked-sites", {MAPS: "table:site_transport"}, ONE, KNOWN)
    assert findings_of("unasked-sites", files=ONE | {"tables/site_transport": "@x.example smtp:\n"}, facts=KNOWN)


def test_reverse_names_are_asked_of_the_addresses_that_sites_deliver_from() -> None:
    state = desired(files=BOTH)
    assert mentioned(compose(state, KNOWN), KNOWN).addresses == set(NAMES)


def test_what_is_another_sites_is_refused_and_both_are_named() -> None:
    again = BOTH | {"sites/site2/site.yaml": "domains: [ONE.example]\n"}
    text = only_finding("shared-domain", files=again, facts=KNOWN)
    assert text.startswith("sites/site2/site.yaml:1:11: ")
    assert "sites/site1/site.yaml:1:11" in text
    address = "site3-x unix - - n - - smtp -o smtp_bind_address=192.0.2.10\n"
    text = only_finding("shared-address", files=ONE | {"master.d/site3-x.cf": address}, facts=KNOWN)
    assert "master.d/site3-x.cf:1:" in text
    assert "is in site1 (sites/site1/site.yaml:2:21) and in site3 (master.d/site3-x.cf:1:" in text
    assert not findings_of("shared-address", files=ONE | {"master.d/site1-x.cf": address}, facts=KNOWN)
    twice = ONE | {"master.d/mine.cf": "site1-out unix - - n - - smtp\n"}
    assert "the delivery of site1" in only_finding("duplicate-service", files=twice, facts=KNOWN)
    assert findings_of("duplicate-service", files=ONE, facts=KNOWN, transports={"site1-out": {}})


def test_a_site_that_changed_is_judged_anew_and_so_are_all_when_the_host_changed() -> None:
    names = {f"192.0.2.{number}": (f"m{number}.example",) for number in range(1, 9)}
    host = facts(names=names)
    good = {f"sites/site{one}/site.yaml": lines(f"d{one}.example", one) for one in range(1, 6)}
    shared = good | {"sites/site4/site.yaml": lines("d3.example", 2)}
    moved = good | {"sites/site4/site.yaml": lines("d4.example", 8)}
    for _ in range(2):
        assert told(good, host) == set()
        assert told(shared, host) == {("shared-domain", "site4"), ("shared-address", "site4")}
        assert told(good, facts(names=names | {"192.0.2.5": ("x.example",)})) == {("reverse-name", "site5")}
        assert told(moved, facts(names=names | {"192.0.2.4": ()})) == set()
        assert told(moved, facts(names=names | {"192.0.2.8": None})) == {("unknown-reverse-name", "site4")}
        assert mentioned(compose(desired(files=moved), host), host).addresses == {
            f"192.0.2.{one}" for one in (1, 2, 3, 5, 8)
        }


def test_two_sites_of_one_text_have_their_own_services_and_places() -> None:
    files = {f"sites/site{one}/site.yaml": lines("d1.example", 1) for one in (1, 2, 10)}
    for _ in range(3):
        merged = compose(desired(files=files), KNOWN)
        made = [service for service in merged.entries if service.name.startswith("site")]
        assert [(one.name, one.where.file) for one in made] == [
            (f"site{one}-out", f"sites/site{one}/site.yaml") for one in (1, 2, 10)
        ]
        assert [where.file for where in merged.tables["site_transport"].origins] == [one.where.file for one in made]


def lines(domain: str, number: int) -> str:
    """The file of a site with an address of that number."""
    return f"domains: [{domain}]\ndelivery: {{address: 192.0.2.{number}, helo: m{number}.example}}\n"


def told(files: dict[str, str], host: Facts) -> set[tuple[str, str]]:
    """What the rules about sites say, with the site of each."""
    rules = {"shared-domain", "shared-address", "reverse-name", "unknown-reverse-name"}
    found = linted(desired(files=files), host)
    return {(one.rule, one.where.file.split("/")[1]) for one in found if one.rule in rules}


def test_an_address_is_here_and_has_a_name_that_leads_back() -> None:
    away = {"sites/site1/site.yaml": "delivery: {address: 203.0.113.9, helo: one.example}\n"}
    (finding,) = findings_of("foreign-address", files=away, facts=KNOWN)
    assert (str(finding.where), finding.lasting) == ("sites/site1/site.yaml:1:21", False)
    for names, rule, severity in (
        ({}, "unknown-reverse-name", Severity.WARNING),
        ({"192.0.2.10": None}, "unknown-reverse-name", Severity.WARNING),
        ({"192.0.2.10": ()}, "reverse-name", Severity.ERROR),
        ({"192.0.2.10": ("other.example",)}, "reverse-name", Severity.ERROR),
    ):
        (finding,) = findings_of(rule, files=ONE, facts=facts(names=names))
        assert (finding.severity, finding.lasting) == (severity, False)
        assert finding.where.file == "sites/site1/site.yaml"
    allowed = {"sites/site1/site.yaml": f"# allow reverse-name: inside only\n{ONE['sites/site1/site.yaml'][23:]}"}
    (finding,) = findings_of("reverse-name", files=allowed, facts=facts(names={"192.0.2.10": ()}))
    assert finding.is_error
    assert 'can write "# allow reverse-name in sites/site1/site.yaml: REASON" in mail.yaml' in finding.text


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("sites/site1/site.yaml", "domain: [a.example]\n", "did you mean domains?"),
        ("sites/site1/site.yaml", "domains: a.example\n", "write domains: [a.example]"),
        ("sites/site1/site.yaml", "domains: [a_example]\n", 'not a domain: "a_example"'),
        ("sites/site1/site.yaml", "domains: ['@a.example']\n", 'not a domain: "@a.example"'),
        ("sites/site1/site.yaml", "delivery: {address: 1.2.3, helo: a.example}\n", "IPv4 or IPv6 address"),
        ("sites/site1/site.yaml", "delivery: {address: 192.0.2.1}\n", "helo is missing"),
        ("sites/site1/site.yaml", "delivery: {address: [192.0.2.1, 192.0.2.2], helo: a.example}\n", "one IPv4 address"),
        ("sites/site1/site.yaml", "delivery: {address: [], helo: a.example}\n", "at least one address"),
        ("sites/site1/site.yaml", "delivery:\n", "has no value"),
        ("sites/12/site.yaml", "domains: []\n", "did you mean sites/site12?"),
        ("sites/site012/site.yaml", "domains: []\n", "did you mean sites/site12?"),
        ("sites/site1/sites.yaml", "domains: []\n", "only site.yaml and tables/NAME are read"),
        ("sites/site1/tables/sasl_passwd", "a b\n", "would store passwords"),
    ],
)
def test_bad_input_has_its_place_and_says_what_was_meant(path: str, text: str, said: str) -> None:
    with pytest.raises(InvalidSource) as caught:
        desired(files={path: text})
    assert any(said in str(one) and one.where.file == path for one in caught.value.findings), str(caught.value)


def test_sites_are_not_written_in_mail_yaml_nor_for_one_host() -> None:
    with pytest.raises(InvalidSource, match=r"sites/siteNN/site\.yaml"):
        desired(sites={"site1": {}})
    for host in ("mx.test.example", "mx2"):
        with pytest.raises(InvalidSource, match=r"sites/siteNN/site\.yaml"):
            desired(files={f"hosts/{host}.yaml": "sites: {site1: {domains: [a.example]}}\n"})


def test_the_service_of_a_site_is_changed_as_any_other() -> None:
    merged = compose(desired(files=ONE, services={"site1-out/unix": {"maxproc": "5"}}), KNOWN)
    service = merged.services["site1-out/unix"]
    assert service
    assert (service.maxproc, service.command) == ("5", "smtp")


def test_fragments_follow_the_table_by_the_numbers_of_their_sites() -> None:
    state = desired(files={
        "tables/generic": "a@x.example a@y.example",
        "sites/site12/tables/generic": "c@x.example c@y.example\n",
        "sites/site2/tables/generic": "b@x.example b@y.example",
        "sites/site2/tables/transport": "b.example smtp:[c.example]\n",
    })  # fmt: skip
    table = state.tables["generic"]
    assert [line.split()[0] for line in table.source.decode().splitlines()] == [
        "a@x.example",
        "b@x.example",
        "c@x.example",
    ]
    assert [str(table.at(line)) for line in (1, 2, 3)] == [
        "tables/generic:1:1", "sites/site2/tables/generic:1:1", "sites/site12/tables/generic:1:1"
    ]  # fmt: skip
    assert compose(state, KNOWN).parameters["transport_maps"].value == "lmdb:$config_directory/transport"


def test_what_is_wrong_in_a_fragment_is_told_at_its_own_line_and_a_key_of_two_sites_names_both() -> None:
    files = {
        "sites/site1/tables/transport": "# one\na.example smtp:\n",
        "sites/site12/tables/transport": "A.example smtp:\n",
    }
    text = only_finding("duplicate-entry", files=files)
    assert text.startswith("sites/site12/tables/transport:1:1: ")
    assert "sites/site1/tables/transport:2 already has it" in text
    wrong = {"tables/transport": "b.example smtp:\n", "sites/site1/tables/transport": "\na.example nowhere:\n"}
    assert only_finding("unknown-transport", files=wrong).startswith("sites/site1/tables/transport:2:1: ")
    with pytest.raises(InvalidSource, match="duplicate table"):
        desired(files={"tables/transport.pcre": "/a/ smtp:\n"} | files)
