"""Bad input for the features is reported once, at its place; healthy neighbours pass."""

from __future__ import annotations

import json

import pytest

from reconciler.desired.lint import lint
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import UNWRITTEN, File, Finding, Secret
from reconciler.model.errors import InvalidSource
from reconciler.postfix.tables import Entries
from tests.unit.desired_states import HEALTHY, VIRTUAL
from tests.unit.host_facts import facts

KNOWN = facts(
    packages={"rspamd": "3.4-1", "postsrsd": "1.10-2", "nftables": "1.0.6-2"}, names={"192.0.2.10": ("one.test",)}
)
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg==\n-----END PRIVATE KEY-----\n"
SECRETS = {"dkim": PEM, "srs": "s" * 24, "relay": "x", "tsig": 'key "k" { algorithm hmac-sha256; secret "YWJj"; };\n'}
SITE = "domains: [one.test]\ndelivery: {address: 192.0.2.10, helo: one.test}\n"
HERE = {"sites/site12/site.yaml": SITE}
DELIVERY = "delivery: {address: 192.0.2.10, helo: one.test}\n"
DKIM, SRS = "dkim: {selector: s1, key: !secret dkim}", "sender_rewriting: {key: !secret srs}"


def judged(
    section: str, files: dict[str, str] | None = None, parameters: dict[str, str] | None = None
) -> list[Finding]:
    """Everything that is said of the healthy state with that section, at line 3 of mail.yaml, and those files."""
    mail = f"hostname: mx.test.example\nparameters: {json.dumps(HEALTHY | (parameters or {}))}\n{section}\n"
    sealed = {f"secrets/{name}.age": "age-encryption.org/v1\n" for name in SECRETS}
    texts = {"mail.yaml": mail, "tables/virtual": VIRTUAL, **sealed, **(files or {})}
    tree = {path: File.of(text.encode()) for path, text in texts.items()}
    try:
        state = load(tree, "mx.test.example", {name: Secret(name, value) for name, value in SECRETS.items()})
    except InvalidSource as error:
        return list(error.findings)
    return lint(state, KNOWN, compose(state, KNOWN))


@pytest.mark.parametrize(
    "section",
    [
        DKIM, SRS, "egress: {allow_users: [root]}", "dns: {addresses: [192.0.2.10, '2001:db8::10'], spf_all: -all}",
        "transports: {slow: {rate_delay: 2s, concurrency: 1}}", "tls: {destinations: {a.test: may}}",
        "smart_host: {preset: mailchannels, username: u, password: !secret relay}", "submission: {enabled: no}",
        "sender_rewriting: {key: !secret srs, exclude: [a.test, .b.test]}",
        "dkim: {selector: s1, key: !secret dkim, networks: [10.0.0.0/8, 192.0.2.7, '2001:db8::/32']}",
    ],
)  # fmt: skip
def test_what_is_healthy_passes_without_a_word(section: str) -> None:
    assert judged(section, HERE) == []


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("submission: no", 'mail.yaml:3:13: submission is a mapping with the keys enabled, wrapper, got "no"; write'),
        ("submission: no", "write submission: {enabled: no}"),
        ("egress: yes", "write egress: {lockdown: yes}"),
        ("egress: {ports: [70000]}", "mail.yaml:3:18: egress.ports.0 should be less than or equal to 65535, got"),
        ("dns: {server: 192.0.2.1}", 'dns.server is a mapping with the keys address, port, key, got "192.0.2.1"'),
        ("dns: {dmarc: {policy: none, reprots: x}}", 'unknown key "reprots" in dns.dmarc; did you mean reports?'),
        ("dns: {dmarc: {policy: none, ttl: 1}}", 'unknown key "ttl" in dns.dmarc; known keys are policy, reports'),
        ("transports: {slow: 7}", "keys concurrency, recipient_limit, rate_delay, retry, address, helo, got"),
        ("transports: {slow: {address: 'fe80::1%}} x'}}", 'no connection can start at "fe80::1%}} x"'),
        ("sender_rewriting: {name: x}", "known keys are enabled, domain, secrets, key, exclude"),
        ("dns: {spf_all: all}", 'dns.spf_all is one of -all, ~all, ?all, got "all"; did you mean ~all?'),
        ("dns: {addresses: [127.0.0.1]}", 'mail.yaml:3:19: dns.addresses.0: other hosts can\'t reach "127.0.0.1"'),
        ("dns: {addresses: ['2001:db8::1%eth0']}", 'other hosts can\'t reach "2001:db8::1%eth0"'),
        ("transports: {slow: {rate_delay: 99999999999w}}", 'not a valid rate_delay: "99999999999w"; expected a time'),
        ("smart_host: {nexthop: '', username: u, password: !secret relay}", "a login needs a nexthop, and there"),
        ("smart_host: {preset: [mailchannels]}", "smart_host.preset: YAML reads brackets as a list"),
        ("sender_rewriting: {key: !secret srs, domain: .v.example}", 'not a domain: ".v.example"'),
        ("dkim: {selector: s, key: !secret dkim, networks: [10.0.0.1/8]}", "did you mean 10.0.0.0/8?"),
        ("dkim: {selector: s, key: !secret dkim, networks: [0.0.0.0/0]}", "strangers"),
        ("dkim: {selector: s, key: !secret dkim, networks: ['fe80::1%\"]; x']}", "not a network"),
    ],
)  # fmt: skip
def test_a_section_that_cannot_be_meant_is_told_of_once(section: str, told: str) -> None:
    (finding,) = judged(section)

    assert finding.is_error
    assert told in str(finding)


@pytest.mark.parametrize(
    ("section", "files", "parameters", "rule", "told"),
    [
        ("", {"sites/site12/tables/virtual": "# all of it\n\n   x@v.example\n"}, {}, "malformed-entry",
         'virtual:3:1: "x@v.example" begins with blanks, so Postfix would read it as a continuation of the last'),
        ("", {"sites/site12/site.yaml": "domains: [192.0.2.1]\n"}, {}, "not-a-domain", "site.yaml:1:11: "),
        ("", {"sites/site12/site.yaml": SITE.replace("192.0.2.10", "0.0.0.0")}, {}, "malformed-address",
         'site.yaml:2:21: sites.site12.delivery.address: no connection can start at "0.0.0.0"'),
        ("", {"sites/site12/site.yaml": DELIVERY}, {}, "unused-delivery", "site12 has an address but no domains"),
        ("services: {site12-out/unix: null}", HERE, {}, "unasked-sites", "mail.yaml:3:29: this removes site12-out"),
        ("", {"master.d/site012-x.cf": "x unix - - n - - smtp\n"}, {}, "unowned-service", "master.d/site12-NAME.cf?"),
        (SRS, {}, {"sender_canonical_classes": "envelope_sender, header_sender"}, "srs-not-asked", "headers change"),
        (SRS, {"master.d/x.cf": "cleanup-sendmail unix n - n - 0 cleanup\n"}, {}, "duplicate-service", "x.cf:1:1: "),
        (SRS, {"master.d/x.cf": "10002 inet n - n - - smtpd\n"}, {}, "port-taken", '"10002": postsrsd (mail.yaml:'),
        (DKIM, {"master.d/x.cf": "[::1]:11332 inet n - n - - smtpd\n"}, {}, "port-taken",
         '"[::1]:11332": rspamd (mail.yaml:'),
        (DKIM, {"master.d/x.cf": "2500 inet n - n - - smtpd\n  -o receive_override_options=no_milters\n"}, {},
         "unsigned-mail", "x.cf:2:6: warning: service 2500/inet: receive_override_options contains no_milters"),
        ("dns: {addresses: [192.0.2.10]}", {"dns/x.zone.j2": "x.{{ name }}. 60 IN AAAA fe80::1%eth0\n"}, {},
         "malformed-record", 'dns/x.zone.j2:1:1: the record "x.v.example. 60 IN AAAA fe80::1%eth0": expected an IPv6'),
    ],
)  # fmt: skip
def test_features_that_contradict_each_other_are_told_of(
    section: str, files: dict[str, str], parameters: dict[str, str], rule: str, told: str
) -> None:
    said = [str(finding) for finding in judged(section, files, parameters) if finding.rule == rule]

    assert len(said) == 1
    assert told in said[0]


def test_what_only_looks_like_a_clash_is_none() -> None:
    fine = {
        "master.d/x.cf": "192.0.2.10:10001 inet n - n - - smtpd\n",
        "sites/site12/site.yaml": DELIVERY,
        "sites/site12/tables/virtual": "two@v.example\n  root@mx.test.example\n",
        "tables/sender_transport": "@one.test site12-out:\n",
    }
    assert judged(SRS, fine, {"sender_canonical_classes": "envelope_sender"}) == []


EVERYTHING = """\
hostname: mx.test.example
smart_host:
  nexthop: "[relay.test]:587"
  username: u
  password: !secret relay
  senders:
    "@a.test": {nexthop: "[a.relay.test]:587"}
    "@b.test":
      nexthop: "[b.relay.test]:587"
      username: b
      password: !secret relay
tls:
  destinations:
    c.test: may
    d.test: dane
transports:
  slow:
    concurrency: 1
    rate_delay: 2s
    helo: slow.test
sender_rewriting:
  key: !secret srs
  exclude:
  - e.test
dkim:
  selector: s1
  key: !secret dkim
  default_action: accept
egress:
  {lockdown: yes, allow_users: [root]}
services:
  smtp/unix:
    maxproc: 7
    options:
      smtp_helo_timeout: 9s
"""
TWELVE = """\
domains:
- one.test
- two.test
delivery:
  address: 192.0.2.10
  helo: one.test
"""
PLACES = {
    "myhostname": "mail.yaml:1", "relayhost": "mail.yaml:3", "smtp_sasl_auth_enable": "mail.yaml:4",
    "smtp_sasl_password_maps": "mail.yaml:5", "sender_dependent_relayhost_maps": "mail.yaml:6",
    "smtp_tls_policy_maps": "mail.yaml:13", "smtp_dns_support_level": "mail.yaml:15",
    "slow_destination_concurrency_limit": "mail.yaml:18", "slow_destination_rate_delay": "mail.yaml:19",
    "sender_canonical_maps": "mail.yaml:21", "smtpd_milters": "mail.yaml:28",
    "slow/unix": "mail.yaml:17", "smtp/unix": "mail.yaml:32", "site12-out/unix": "sites/site12/site.yaml:4",
    "cleanup-sendmail/unix": "mail.yaml:21",
    "sender_relayhost: @a.test": "mail.yaml:7", "sender_relayhost: @b.test": "mail.yaml:8",
    "sasl_passwd: [relay.test]:587": "mail.yaml:5", "sasl_passwd: [b.relay.test]:587": "mail.yaml:11",
    "tls_policy: c.test": "mail.yaml:14", "tls_policy: d.test": "mail.yaml:15",
    "site_transport: @one.test": "sites/site12/site.yaml:2", "site_transport: @two.test": "sites/site12/site.yaml:3",
    "virtual: info@v.example": "tables/virtual:1",
    "postsrsd: e.test": "mail.yaml:24", "postsrsd: two.test": "sites/site12/site.yaml:3",
    "nftables: root": "mail.yaml:30",
    "compatibility_level": "", "oneshot/unix": "", "relaylim_destination_concurrency_limit": "", "relay/unix": "",
    "relay/unix syslog_name": "", "slow/unix smtp_helo_name": "mail.yaml:20",
    "smtp/unix smtp_helo_timeout": "mail.yaml:35",
    "site12-out/unix smtp_helo_name": "sites/site12/site.yaml:6", "pickup/unix cleanup_service_name": "mail.yaml:21",
    "oneshot_dsn": "",
}  # fmt: skip


def test_everything_that_features_make_knows_the_line_that_made_it() -> None:
    sealed = {f"secrets/{name}.age": "age-encryption.org/v1\n" for name in SECRETS}
    texts = {"mail.yaml": EVERYTHING, "tables/virtual": VIRTUAL, **sealed, "sites/site12/site.yaml": TWELVE}
    tree = {path: File.of(text.encode()) for path, text in texts.items()}
    state = load(tree, "mx.test.example", {name: Secret(name, value) for name, value in SECRETS.items()})
    made = compose(state, KNOWN)
    entries = [(table.name, table, entry) for table in made.tables.values() for entry in Entries(table)]
    places = {
        **{name: one.where for name, one in made.parameters.items()},
        **{one.key: one.where for one in made.entries},
        **{f"{one.key} {option.name}": option.where for one in made.entries for option in one.overrides},
        **{f"{name}: {entry.key}": table.at(entry.line) for name, table, entry in entries},
        **{f"{name}: {word}": at for name, one in made.companions.items() for word, at in one.places.items()},
        **{name: table.where for name, table in made.tables.items()},
    }

    shown = {name: f"{places[name].file}:{places[name].line}" for name in PLACES if places[name] is not UNWRITTEN}
    assert shown == {name: place for name, place in PLACES.items() if place}
    assert [name for name, place in PLACES.items() if not place and places[name] is not UNWRITTEN] == []
    assert [name for name, at in places.items() if at == UNWRITTEN and at is not UNWRITTEN] == []
