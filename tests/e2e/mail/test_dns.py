"""DNS records published to a real BIND: only ours change, and what was cut short is completed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import CLONE, MAIL, STATE, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.adopted_host import Ran

SERVER = "127.0.0.1"
DOMAINS = MAIL.replace("mydestination: mx1.example.com, localhost", "mydestination: mx1.example.com, {0}")
DNS = f"""\
dns:
  ttl: 300
  addresses: [192.0.2.10]
  dmarc: {{policy: reject, reports: dmarc@one.test}}
  mta_sts: testing
  server: {{address: {SERVER}, key: !secret tsig}}
"""
NAMED = f"""\
options {{ directory "/var/named"; listen-on {{ {SERVER}; }}; listen-on-v6 {{ none; }}; recursion no;
  pid-file none; session-keyfile none; dnssec-validation no; }};
include "/var/named/good.key";
include "/var/named/other.key";
controls {{ }};
zone "one.test" {{ type primary; file "one.test"; allow-update {{ key good; }}; }};
zone "two.test" {{ type primary; file "two.test";
  update-policy {{ grant good subdomain two.test. A AAAA MX TXT CNAME CAA SRV TLSA; }}; }};
"""
ZONE = """\
$TTL 900
@ IN SOA ns hostmaster 1 3600 600 86400 300
@ IN NS ns
ns IN A 127.0.0.1
@ IN TXT "verification=theirs"
www IN A 192.0.2.80
"""
OTHER_TYPES = f"""\
{{% if zone == 'one.test' %}}
mta-sts.one.test. 300 IN HTTPS 1 . alpn=h2 ; served over HTTP/2
_25._tcp.one.test. 300 IN TLSA 3 0 0 ( {"AB" * 100}
  {"AB" * 100} ) ; a whole certificate
one.test. 300 IN CAA 0 issue Ca.test
one.test. 300 IN TYPE65280 \\# 2 ABCD
mx.one.test. 300 IN SSHFP 4 2 {"AB" * 32}
{{% endif %}}
"""


@pytest.fixture
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost(state=STATE | {"mail.yaml": DOMAINS.format("one.test, two.test")}) as made:
        made.sh("mkdir -p /var/named && cd /var/named && for key in good other; do tsig-keygen $key >$key.key; done")
        for name in ("one.test", "two.test"):
            made.host.write(f"/var/named/{name}", ZONE)
        made.sh("tsig-keygen good >/var/named/wrong.key; chown -R bind /var/named")
        made.host.write("/etc/named.test", NAMED)
        made.host.start("named", "-g", "-u", "bind", "-c", "/etc/named.test")
        made.host.wait_for(lambda: "verification" in dig(made, "one.test TXT"), what="BIND")
        yield made


def dig(adopted: AdoptedHost, what: str) -> str:
    """What BIND answers, a record a line."""
    return adopted.sh(f"dig +short +norecurse @{SERVER} {what}", check=False)


def push(
    adopted: AdoptedHost, domains: str = "one.test, two.test", dns: str = DNS, key: str = "good", template: str = ""
) -> None:
    """Push the section with a key as the secret, and a template of our own."""
    sealed = adopted.seal({"tsig": adopted.host.read(f"/var/named/{key}.key")})
    adopted.sh(f"cd {CLONE} && mkdir -p dns && touch dns/email.zone.j2")
    files = {"mail.yaml": DOMAINS.format(domains) + dns, **sealed, "dns/email.zone.j2": template or None}
    pushed = adopted.push(files, "Records")
    assert pushed.accepted, pushed.text


def publish(adopted: AdoptedHost, *options: str) -> Ran:
    return adopted.reconciler("dns", "publish", *options)


def test_records_are_published_changed_and_taken_back_and_nobody_elses_are_touched(adopted: AdoptedHost) -> None:
    push(adopted)
    plan = publish(adopted, "--plan")
    assert plan.status == 2
    assert "+ one.test. 300 IN MX 10 mail.one.test." in plan.text
    assert dig(adopted, "one.test MX") == ""

    assert publish(adopted).status == 0
    assert dig(adopted, "one.test MX") == "10 mail.one.test."
    assert dig(adopted, "mail.two.test A") == "192.0.2.10"
    assert set(dig(adopted, "one.test TXT").splitlines()) == {
        '"v=spf1 mx ip4:192.0.2.10 ~all"',
        '"verification=theirs"',
    }
    assert dig(adopted, "_dmarc.one.test TXT") == '"v=DMARC1; p=reject; rua=mailto:dmarc@one.test"'
    told = re.search(r"id=(\w+)", dig(adopted, "_mta-sts.one.test TXT"))
    assert told
    assert "mx: mail.one.test\n" in adopted.host.run("reconciler", "dns", "mta-sts", "one.test").stdout
    check = adopted.reconciler("dns", "check")
    assert (check.status, "as wanted" in check.text) == (0, True), check.text
    assert (publish(adopted).status, publish(adopted, "--plan").status) == (0, 0)
    rows = json.loads(adopted.host.run("reconciler", "dns", "records", "one.test", "--json").stdout)["records"]
    assert {row["zone"] for row in rows} == {"one.test"}

    # A template replaces ours, and only ours; a set that holds others' records keeps its TTL.
    template = (
        '{{ name }}. {{ ttl }} IN MX 5 www.{{ zone }}.\n{{ name }}. {{ ttl }} IN TXT "v=spf1 a:www.{{ zone }} -all"\n'
        + OTHER_TYPES
    )
    push(adopted, dns=DNS.replace("  mta_sts: testing\n", ""), template=template)
    differs = adopted.reconciler("dns", "check")
    assert differs.status == 2
    assert "- one.test. 300 IN MX 10 mail.one.test." in differs.text
    assert publish(adopted).status == 0
    check = adopted.reconciler("dns", "check")
    assert (check.status, "as wanted" in check.text) == (0, True), check.text
    assert dig(adopted, "mta-sts.one.test HTTPS") == '1 . alpn="h2"'
    assert dig(adopted, "_25._tcp.one.test TLSA").replace(" ", "").upper() == f"300{'AB' * 200}"
    assert dig(adopted, "one.test MX") == "5 www.one.test."
    assert dig(adopted, "mail.one.test A") + dig(adopted, "_dmarc.one.test TXT") == ""
    assert set(dig(adopted, "one.test TXT").splitlines()) == {'"v=spf1 a:www.one.test -all"', '"verification=theirs"'}
    assert dig(adopted, "www.one.test A") == "192.0.2.80"

    # A domain goes, and takes what was ours along.
    push(adopted, domains="one.test", dns=DNS.replace("  mta_sts: testing\n", ""), template=template)
    assert publish(adopted).status == 0
    assert dig(adopted, "two.test MX") == ""
    assert dig(adopted, "two.test TXT") == '"verification=theirs"'
    push(adopted, dns=DNS + "  domains: []\n")
    assert publish(adopted).status == 0
    assert dig(adopted, "one.test MX") == ""
    assert dig(adopted, "one.test TXT") == '"verification=theirs"'
    assert adopted.sh("cat /var/lib/reconciler/private/dns.json") == "{}"


def test_what_somebody_else_made_is_a_conflict_and_stays(adopted: AdoptedHost) -> None:
    update(adopted, "update add one.test 60 MX 10 theirs.test.", "update add mail.two.test 60 CNAME theirs.test.",
           'update add two.test 60 TXT "v=spf1 -all"')  # fmt: skip
    push(adopted)
    done = publish(adopted)
    assert done.status == 2
    assert "one.test. 300 IN MX 10 mail.one.test.: another author's MX 10 theirs.test. already exists" in done.text
    assert "another author's CNAME theirs.test." in done.text
    assert 'another author\'s TXT "v=spf1 -all"' in done.text
    assert dig(adopted, "one.test MX") == "10 theirs.test."
    assert "two.test. 300 IN MX 10 mail.two.test.: another author's CNAME theirs.test." in done.text
    assert dig(adopted, "two.test MX") == ""
    assert dig(adopted, "_dmarc.two.test TXT").startswith('"v=DMARC1;')
    assert dig(adopted, "mail.one.test A") == "192.0.2.10"
    assert adopted.reconciler("dns", "check").status == 2

    spf = 'update delete two.test TXT "v=spf1 -all"'
    update(adopted, "update delete one.test MX", "update delete mail.two.test CNAME", spf)
    assert publish(adopted).status == 0
    assert adopted.reconciler("dns", "check").status == 0


def test_a_dkim_key_is_published_before_it_signs(adopted: AdoptedHost) -> None:
    pem = adopted.sh("openssl genrsa 2048 2>/dev/null")
    adopted.seal({"s1": pem})
    push(adopted, dns=DNS + "dkim:\n  next: {selector: s1, key: !secret s1, since: 2026-11-23T10:00:00Z}\n")
    assert publish(adopted).status == 0
    public = adopted.sh(f"openssl rsa -pubout 2>/dev/null <<<'{pem}' | grep -v -- -----").replace("\n", "")
    [answer] = dig(adopted, "s1._domainkey.two.test TXT").splitlines()
    assert answer.replace('" "', "") == f'"v=DKIM1; k=rsa; p={public}"'
    assert adopted.reconciler("dns", "check").status == 0


def test_a_key_that_the_server_does_not_take_is_told_of_and_changes_nothing(adopted: AdoptedHost) -> None:
    for key, why in (("wrong", "another secret"), ("other", "does not allow it")):
        push(adopted, key=key)
        done = publish(adopted)
        assert (done.status, why in done.text) == (1, True), done.text
        assert dig(adopted, "one.test MX") == ""
    push(adopted, dns=DNS.replace(SERVER, "127.0.0.54"))
    assert "does not answer" in publish(adopted).text
    refused = adopted.push(
        {
            "mail.yaml": DOMAINS.format("one.test") + DNS,
            "dns/email.zone.j2": "; mine\n {{ name }}. 60 IN A 192.0.2.1\n",
        },
        "Odd",
    )
    assert (refused.accepted, "dns/email.zone.j2:2:1" in refused.text) == (False, True), refused.text


def test_a_publication_that_was_killed_is_completed_by_the_next(adopted: AdoptedHost) -> None:
    push(adopted)
    # Killed when BIND has the records of one zone, and before reconciler could note so.
    script = (
        "from reconciler.host.dns.nameserver import NameServer; import os, signal\n"
        "update = NameServer.update\n"
        "def killed(self, zone, changes):\n"
        "    update(self, zone, changes)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "NameServer.update = killed\n"
        "from reconciler.commands.main import main\n"
        "main(['dns', 'publish'])\n"
    )
    python = adopted.sh("head -1 $(command -v reconciler)").removeprefix("#!").strip()
    adopted.host.run(python, "-c", script, check=False)
    assert dig(adopted, "one.test MX") == "10 mail.one.test."
    assert dig(adopted, "two.test MX") == ""

    # What was made is known as ours: it goes when nobody wants it any more, and the rest is completed.
    push(adopted, domains="two.test")
    assert publish(adopted).status == 0
    assert dig(adopted, "one.test MX") == ""
    assert dig(adopted, "two.test MX") == "10 mail.two.test."
    push(adopted, dns=DNS + "  domains: []\n")
    assert publish(adopted).status == 0
    assert dig(adopted, "two.test MX") == ""


def update(adopted: AdoptedHost, *lines: str) -> None:
    """Have somebody else change the zones, with a key of the server's own."""
    script = "".join(f"server {SERVER}\n{line}\nsend\n" for line in lines)
    adopted.host.run("nsupdate", "-k", "/var/named/good.key", input=script)
