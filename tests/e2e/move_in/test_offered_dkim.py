"""The offer dkim: a host that opendkim signs for is signed for by rspamd, with the key and the record that it has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import dkim

from tests.e2e.hosts import Host
from tests.e2e.move_in.shaped import imported
from tests.e2e.move_in.test_offered_sections import REPOSITORY, running, taken_over

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.mail_sink import Sink

CONF = """\
Syslog yes
Canonicalization relaxed/simple
Mode sv
OversignHeaders From
KeyTable /etc/opendkim/keys
SigningTable refile:/etc/opendkim/signers
InternalHosts /etc/opendkim/hosts
UserID opendkim
Socket inet:8891@localhost
PidFile /run/opendkim/opendkim.pid
"""
FILES = {
    "/etc/opendkim.conf": CONF,
    "/etc/opendkim/keys": "ours %:mail:/etc/dkimkeys/mail.private\n",
    "/etc/opendkim/signers": "*@author.test ours\n*@shop.test ours\n",
    "/etc/opendkim/hosts": "127.0.0.1\n::1\n192.0.2.0/28\n",
}
MILTERS = (
    "\\n# signed since 2019\\nsmtpd_milters = inet:localhost:8891\\nnon_smtpd_milters = \\$smtpd_milters\\n"
    "milter_default_action = accept\\n"
)
RSPAMD = {
    "dkim_signing.conf": (
        "use_esld = false;\nallow_hdrfrom_mismatch = true;\nsign_local = true;\n"
        'domain { author.test { selector = "mail"; path = "/etc/dkimkeys/mail.private"; } }\n'
    ),
    "options.inc": 'filters = "dkim";\nurl_tld = "/dev/null";\n',
}
KEY = "opendkim-genkey -D /etc/dkimkeys -d author.test -s mail && chown opendkim: /etc/dkimkeys/mail.private"
FAR = "someone@far.test"


def signed_by_opendkim(host: Host) -> Mapping[str, bytes]:
    """Start Postfix and opendkim, and return the record that the administrator has published."""
    host.run("sh", "-c", KEY)
    for path, text in FILES.items():
        host.write(path, text)
    host.run("opendkim", "-x", "/etc/opendkim.conf")
    running("debian", host)
    host.run("sh", "-c", f'printf "{MILTERS}" >>/etc/postfix/main.cf && postconf -e relayhost=[127.0.0.1]:2525')
    host.run("postfix", "reload")
    return published(host)


def published(host: Host) -> Mapping[str, bytes]:
    """Return the record of the key by its names."""
    record = "".join(re.findall(r'"(.*?)"', host.read("/etc/dkimkeys/mail.txt")))
    return {f"mail._domainkey.{domain}.": record.encode() for domain in ("author.test", "shop.test")}


def signatures(host: Host, sink: Sink, author: str, dns: Mapping[str, bytes], *, by: str = "smtp") -> list[str]:
    """Send a message, and return selector, domain and canonicalization of each signature; all verify by the record."""
    count, message = len(sink.received), f"From: {author}\r\nTo: {FAR}\r\nSubject: x\r\n\r\nHello.\r\n"
    if by == "smtp":
        assert host.send("bounce@envelope.test", FAR, message).startswith("250")
    else:
        host.run("/usr/sbin/sendmail", "-t", "-i", user="www-data", input=message.replace("\r\n", "\n"))
    [received] = host.wait_for(lambda: sink.received[count:], what=f"mail from {author}")
    raw = re.sub(r"\r?\n", "\r\n", received.data).encode()
    found = []
    for number in range(len(re.findall(rb"^dkim-signature:", raw, re.MULTILINE | re.IGNORECASE))):
        verifier = dkim.DKIM(raw)
        assert verifier.verify(number, dnsfunc=lambda name, **_: dns.get(name.decode())), raw
        how = verifier.signature_fields[b"c"].decode()
        found.append(f"{verifier.selector.decode()} {verifier.domain.decode()} {how}")
    return found


def test_mail_is_signed_with_the_key_that_is_published_when_opendkim_becomes_a_section() -> None:
    with Host() as host:
        sink = host.sink(2525)
        dns = signed_by_opendkim(host)
        key = host.read("/etc/dkimkeys/mail.private")
        before = host.read("/etc/postfix/main.cf")
        assert signatures(host, sink, "ada@author.test", dns) == ["mail author.test relaxed/simple"]

        confirmed = "\n".join(taken_over(host, "dkim"))

        assert "rspamd signs instead of opendkim, which is asked no longer and runs until you stop it" in confirmed
        assert "the canonicalization is relaxed/relaxed instead of relaxed/simple" in confirmed
        assert "8891" not in host.run("postconf", "-n").stdout
        for author, by in (("ada@author.test", "smtp"), ("Bo <bo@Shop.test>", "smtp"), ("ada@author.test", "sendmail")):
            domain = author.strip(">").partition("@")[2].lower()
            assert signatures(host, sink, author, dns, by=by) == [f"mail {domain} relaxed/relaxed"]
        assert signatures(host, sink, "eve@other.test", dns) == []
        everything = host.run("git", "-C", REPOSITORY, "log", "-p", "main").stdout
        assert "# signed since 2019\n+dkim:\n+  selector: mail\n" in everything
        secret = key.splitlines()[2]
        said = host.run("sh", "-c", "reconciler plan; reconciler log; cat /var/log/rspamd/*.log", check=False).stdout
        assert secret not in everything + confirmed + said + host.mail_log()

        rescued = host.run("reconciler", "rescue", check=False)
        assert rescued.returncode == 0, rescued.stdout + rescued.stderr
        assert host.read("/etc/postfix/main.cf") == before
        assert signatures(host, sink, "ada@author.test", dns) == ["mail author.test relaxed/simple"]


def test_a_rollback_has_opendkim_sign_again() -> None:
    with Host() as host:
        sink = host.sink(2525)
        dns = signed_by_opendkim(host)
        host.run("postconf", "-e", "milter_protocol = 2")
        for command in (("import",), ("once", "--adopt"), ("import", "--then", "dkim"), ("once",)):
            done = host.run("reconciler", *command, check=False)
            assert done.returncode == 0, (command, done.stdout + done.stderr)
        assert host.run("postconf", "-hx", "milter_protocol").stdout == "6\n"  # rspamd speaks no older one
        assert signatures(host, sink, "ada@author.test", dns) == ["mail author.test relaxed/relaxed"]

        done = host.run("reconciler", "rollback", check=False)

        assert done.returncode == 0, done.stdout + done.stderr
        assert signatures(host, sink, "ada@author.test", dns) == ["mail author.test relaxed/simple"]


def test_rspamd_that_an_administrator_set_up_signs_with_the_same_key_by_the_section() -> None:
    with Host() as host:
        host.run("sh", "-c", f"{KEY}; chown _rspamd /etc/dkimkeys /etc/dkimkeys/mail.private")
        for path, text in RSPAMD.items():
            host.write(f"/etc/rspamd/local.d/{path}", text)
        host.run("sh", "-c", "service rspamd start </dev/null >/dev/null 2>&1")  # a pipe would stay open
        sink = host.sink(2525)
        running("debian", host)
        lines = MILTERS.replace("8891", "11332")
        host.run("sh", "-c", f'printf "{lines}" >>/etc/postfix/main.cf && postconf -e relayhost=[127.0.0.1]:2525')
        host.run("postfix", "reload")
        dns = published(host)
        host.wait_for(lambda: signatures(host, sink, "ada@author.test", dns), what="a signature of rspamd's")

        confirmed = taken_over(host, "dkim")

        assert "rspamd keeps its other settings, and signs by those of the section instead of its own" in confirmed
        for by in ("smtp", "sendmail"):
            assert signatures(host, sink, "ada@author.test", dns, by=by) == ["mail author.test relaxed/relaxed"]
        assert signatures(host, sink, "eve@other.test", dns) == []
        said = host.run("git", "-C", REPOSITORY, "log", "-p", "main").stdout
        assert "+  only_sign: no\n" in said
        assert host.read("/etc/dkimkeys/mail.private").splitlines()[2] not in said
        host.run("mv", "/etc/dkimkeys/mail.private", "/etc/dkimkeys/away")
        assert signatures(host, sink, "ada@author.test", dns) == ["mail author.test relaxed/relaxed"]
        host.run("mv", "/etc/dkimkeys/away", "/etc/dkimkeys/mail.private")
        rescued = host.run("reconciler", "rescue", check=False)
        assert rescued.returncode == 0, rescued.stdout + rescued.stderr
        assert host.run("ls", "/etc/rspamd/override.d").stdout == ""
        host.wait_for(
            lambda: signatures(host, sink, "ada@author.test", dns), what="a signature by rspamd's own settings"
        )


def test_two_keys_stay_with_opendkim() -> None:
    with Host() as host:
        signed_by_opendkim(host)
        host.write("/etc/opendkim/keys", f"{FILES['/etc/opendkim/keys']}other %:s2:/etc/dkimkeys/mail.private\n")
        host.write("/etc/opendkim/signers", "*@author.test ours\n*@shop.test other\n")

        result = imported(host)

        assert "dkim" not in {one["name"] for one in result.said["offers"]}
        made = host.run("reconciler", "import", "--then", "dkim", check=False)
        assert "opendkim signs with 2 selectors and 1 key" in made.stdout + made.stderr
