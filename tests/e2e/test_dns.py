"""DNS records published to a real BIND: only ours change, and what was cut short is completed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import CLONE, MAIL, STATE, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.site import Ran

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


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(state=STATE | {"mail.yaml": DOMAINS.format("one.test, two.test")}) as made:
        made.sh("mkdir -p /var/named && cd /var/named && for key in good other; do tsig-keygen $key >$key.key; done")
        for name in ("one.test", "two.test"):
            made.host.write(f"/var/named/{name}", ZONE)
        made.sh("tsig-keygen good >/var/named/wrong.key; chown -R bind /var/named")
        made.host.write("/etc/named.test", NAMED)
        made.host.start("named", "-g", "-u", "bind", "-c", "/etc/named.test")
        made.host.wait_for(lambda: "verification" in dig(made, "one.test TXT"), what="BIND")
        yield made


def dig(site: Site, what: str) -> str:
    """What BIND answers, a record a line."""
    return site.sh(f"dig +short +norecurse @{SERVER} {what}", check=False)


def push(
    site: Site, domains: str = "one.test, two.test", dns: str = DNS, key: str = "good", template: str = ""
) -> None:
    """Push the section with a key as the secret, and a template of our own."""
    sealed = site.seal({"tsig": site.host.read(f"/var/named/{key}.key")})
    site.sh(f"cd {CLONE} && mkdir -p dns && touch dns/email.zone.j2")
    files = {"mail.yaml": DOMAINS.format(domains) + dns, **sealed, "dns/email.zone.j2": template or None}
    pushed = site.push(files, "Records")
    assert pushed.accepted, pushed.text


def publish(site: Site, *options: str) -> Ran:
    return site.reconciler("dns", "publish", *options)


def test_records_are_published_changed_and_taken_back_and_nobody_elses_are_touched(site: Site) -> None:
    push(site)
    plan = publish(site, "--plan")
    assert plan.status == 2
    assert "+ one.test. 300 IN MX 10 mail.one.test." in plan.text
    assert dig(site, "one.test MX") == ""

    assert publish(site).status == 0
    assert dig(site, "one.test MX") == "10 mail.one.test."
    assert dig(site, "mail.two.test A") == "192.0.2.10"
    assert set(dig(site, "one.test TXT").splitlines()) == {'"v=spf1 mx ip4:192.0.2.10 ~all"', '"verification=theirs"'}
    assert dig(site, "_dmarc.one.test TXT") == '"v=DMARC1; p=reject; rua=mailto:dmarc@one.test"'
    told = re.search(r"id=(\w+)", dig(site, "_mta-sts.one.test TXT"))
    assert told
    assert "mx: mail.one.test\n" in site.host.run("reconciler", "dns", "mta-sts", "one.test").stdout
    check = site.reconciler("dns", "check")
    assert (check.status, "as wanted" in check.text) == (0, True), check.text
    assert (publish(site).status, publish(site, "--plan").status) == (0, 0)
    rows = json.loads(site.host.run("reconciler", "dns", "records", "one.test", "--json").stdout)["records"]
    assert {row["zone"] for row in rows} == {"one.test"}

    # A template replaces ours, and only ours; a set that holds others' records keeps its TTL.
    template = (
        '{{ name }}. {{ ttl }} IN MX 5 www.{{ zone }}.\n{{ name }}. {{ ttl }} IN TXT "v=spf1 a:www.{{ zone }} -all"\n'
    )
    push(site, dns=DNS.replace("  mta_sts: testing\n", ""), template=template)
    differs = site.reconciler("dns", "check")
    assert differs.status == 2
    assert "- one.test. 300 IN MX 10 mail.one.test." in differs.text
    assert publish(site).status == 0
    assert dig(site, "one.test MX") == "5 www.one.test."
    assert dig(site, "mail.one.test A") + dig(site, "_dmarc.one.test TXT") == ""
    assert set(dig(site, "one.test TXT").splitlines()) == {'"v=spf1 a:www.one.test -all"', '"verification=theirs"'}
    assert dig(site, "www.one.test A") == "192.0.2.80"

    # A domain goes, and takes what was ours along.
    push(site, domains="one.test", dns=DNS.replace("  mta_sts: testing\n", ""), template=template)
    assert publish(site).status == 0
    assert dig(site, "two.test MX") == ""
    assert dig(site, "two.test TXT") == '"verification=theirs"'
    push(site, dns=DNS + "  domains: []\n")
    assert publish(site).status == 0
    assert dig(site, "one.test MX") == ""
    assert dig(site, "one.test TXT") == '"verification=theirs"'
    assert site.sh("cat /var/lib/reconciler/private/dns.json") == "{}"


def test_what_somebody_else_made_is_a_conflict_and_stays(site: Site) -> None:
    update(site, "update add one.test 60 MX 10 theirs.test.", "update add mail.two.test 60 CNAME theirs.test.",
           'update add two.test 60 TXT "v=spf1 -all"')  # fmt: skip
    push(site)
    done = publish(site)
    assert done.status == 2
    assert "one.test. 300 IN MX 10 mail.one.test.: somebody else's MX 10 theirs.test. is there already" in done.text
    assert "somebody else's CNAME theirs.test." in done.text
    assert 'somebody else\'s TXT "v=spf1 -all"' in done.text
    assert dig(site, "one.test MX") == "10 theirs.test."
    assert "two.test. 300 IN MX 10 mail.two.test.: somebody else's CNAME theirs.test." in done.text
    assert dig(site, "two.test MX") == ""
    assert dig(site, "_dmarc.two.test TXT").startswith('"v=DMARC1;')
    assert dig(site, "mail.one.test A") == "192.0.2.10"
    assert site.reconciler("dns", "check").status == 2

    spf = 'update delete two.test TXT "v=spf1 -all"'
    update(site, "update delete one.test MX", "update delete mail.two.test CNAME", spf)
    assert publish(site).status == 0
    assert site.reconciler("dns", "check").status == 0


def test_a_dkim_key_is_published_before_it_signs(site: Site) -> None:
    pem = site.sh("openssl genrsa 2048 2>/dev/null")
    site.seal({"s1": pem})
    push(site, dns=DNS + "dkim:\n  next: {selector: s1, key: !secret s1, since: 2026-11-23T10:00:00Z}\n")
    assert publish(site).status == 0
    public = site.sh(f"openssl rsa -pubout 2>/dev/null <<<'{pem}' | grep -v -- -----").replace("\n", "")
    [answer] = dig(site, "s1._domainkey.two.test TXT").splitlines()
    assert answer.replace('" "', "") == f'"v=DKIM1; k=rsa; p={public}"'
    assert site.reconciler("dns", "check").status == 0


def test_a_key_that_the_server_does_not_take_is_told_of_and_changes_nothing(site: Site) -> None:
    for key, why in (("wrong", "another secret"), ("other", "does not allow it")):
        push(site, key=key)
        done = publish(site)
        assert (done.status, why in done.text) == (1, True), done.text
        assert dig(site, "one.test MX") == ""
    push(site, dns=DNS.replace(SERVER, "127.0.0.54"))
    assert "does not answer" in publish(site).text
    refused = site.push(
        {
            "mail.yaml": DOMAINS.format("one.test") + DNS,
            "dns/email.zone.j2": "; mine\n {{ name }}. 60 IN A 192.0.2.1\n",
        },
        "Odd",
    )
    assert (refused.accepted, "dns/email.zone.j2:2:1" in refused.text) == (False, True), refused.text


def test_a_publication_that_was_killed_is_completed_by_the_next(site: Site) -> None:
    push(site)
    # Killed when BIND has the records of one zone, and before reconciler could note so.
    script = (
        "from reconciler.host.dns.nameserver import Server; import os, signal\n"
        "update = Server.update\n"
        "def killed(self, zone, changes):\n"
        "    update(self, zone, changes)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "Server.update = killed\n"
        "from reconciler.commands.main import main\n"
        "main(['dns', 'publish'])\n"
    )
    python = site.sh("head -1 $(command -v reconciler)").removeprefix("#!").strip()
    site.host.run(python, "-c", script, check=False)
    assert dig(site, "one.test MX") == "10 mail.one.test."
    assert dig(site, "two.test MX") == ""

    # What was made is known as ours: it goes when nobody wants it any more, and the rest is completed.
    push(site, domains="two.test")
    assert publish(site).status == 0
    assert dig(site, "one.test MX") == ""
    assert dig(site, "two.test MX") == "10 mail.two.test."
    push(site, dns=DNS + "  domains: []\n")
    assert publish(site).status == 0
    assert dig(site, "two.test MX") == ""


def update(site: Site, *lines: str) -> None:
    """Have somebody else change the zones, with a key of the server's own."""
    script = "".join(f"server {SERVER}\n{line}\nsend\n" for line in lines)
    site.host.run("nsupdate", "-k", "/var/named/good.key", input=script)
