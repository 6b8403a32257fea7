"""Where rspamd is missing, is somebody's own, or does not come up: nothing changes, or all of it goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import CLONE, MAIL, Push, Site
from tests.e2e.test_dkim import FAR, arrived, publish, signatures, smtp

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE: dict[str, str | None] = {"mail.yaml": MAIL, "tables/transport": "far.test  smtp:[127.0.0.1]:2525\n"}
SIGNED = MAIL + "dkim: {{selector: s1, key: !secret dkim-s1{}}}\n"
OWN = "/etc/rspamd/local.d/options.inc"
LOOK = (
    "find /etc/rspamd -printf '%p %y %m %l\\n' | sort; find /etc/rspamd -type f -exec sha256sum {} + | sort;"
    " ls /etc/rc2.d | grep rspamd; pgrep -c -f 'rspamd: main' || true"
)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(state=STATE) as made:
        made.host.sink(2525)
        key = made.reconciler("dkim", "new", "s1")
        assert key.status == 0, key.text
        publish(key.text)
        yield made


def push(site: Site, mail: str, **files: str) -> Push:
    """Push a mail.yaml, with the secrets that the branch has."""
    return site.push({"mail.yaml": mail, **files}, "Signatures")


def refused(site: Site, mail: str, *said: str) -> None:
    """The push is refused for that, and nothing has changed."""
    live, rspamd = site.live(), site.sh(LOOK)
    pushed = push(site, mail)
    assert not pushed.accepted, pushed.text
    for text in said:
        assert text in pushed.text
    assert (site.live(), site.sh(LOOK)) == (live, rspamd)


def test_a_missing_package_and_a_stranger_on_the_port_are_refused_before_anything_changes(site: Site) -> None:
    status = "/var/lib/dpkg/status"
    site.sh(f"cp {status} /tmp/status; sed -i '/^Package: rspamd$/,/^$/d' {status}")
    refused(site, SIGNED.format(""), "package rspamd, which is not installed: apt install rspamd")
    site.sh(f"cp /tmp/status {status}")

    stranger = site.host.start("python3", "-m", "http.server", "11332")
    site.host.wait_for(lambda: "11332" in site.sh("ss -ltn"), what="a stranger")
    refused(site, SIGNED.format(""), "port 11332, where rspamd is to listen, is python3's already")
    stranger.kill()


def test_a_signer_that_does_not_come_up_is_rolled_back_and_mail_flows(site: Site) -> None:
    site.sh("cp /usr/bin/rspamd /tmp/rspamd; printf '#!/bin/sh\\nexit 1\\n' >/usr/bin/rspamd.new")
    site.sh("chmod 755 /usr/bin/rspamd.new; mv /usr/bin/rspamd.new /usr/bin/rspamd")
    live, before = site.live(), site.sh(LOOK)
    pushed = push(site, SIGNED.format(""))
    assert "rspamd does not come up" in pushed.text
    assert site.wait_for("RolledBack", pushed.oid)
    assert (site.live(), site.sh(LOOK)) == (live, before)
    assert smtp(site, "flows").startswith("250")
    assert signatures(arrived(site, "flows")) == []
    site.sh("mv /tmp/rspamd /usr/bin/rspamd")


def test_a_key_that_only_looks_like_one_signs_nothing_and_is_rolled_back(site: Site) -> None:
    site.sh(f"cd {CLONE} && git fetch -q && git reset -q --hard origin/main")
    typed = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY-----\n"
    assert site.reconciler("secret", "set", "bad", cwd=CLONE, typed=typed).status == 0
    live, before = site.live(), site.sh(LOOK)
    bad = {"secrets/bad.age": site.host.read(f"{CLONE}/secrets/bad.age")}
    pushed = push(site, SIGNED.format("").replace("dkim-s1", "bad"), **bad)
    assert "it signs nothing" in pushed.text, pushed.text
    assert site.wait_for("RolledBack", pushed.oid)
    assert (site.live(), site.sh(LOOK)) == (live, before)


def test_an_administrators_rspamd_is_not_put_out_of_force_unsaid_and_comes_back_as_it_was(site: Site) -> None:
    site.host.write(OWN, 'url_tld = "/dev/null";\n')
    site.sh("service rspamd start >/dev/null 2>&1")
    site.host.wait_for(lambda: "11332" in site.sh("ss -ltn"), 120, "their own rspamd")
    before, main = site.sh(LOOK), site.sh("cat /run/rspamd/rspamd.pid")
    refused(site, SIGNED.format(""), OWN, "write only_sign: no")

    pushed = push(site, SIGNED.format(", only_sign: no, domains: [author.test]"))
    assert pushed.accepted, pushed.text
    assert site.sh("cat /run/rspamd/rspamd.pid") == main
    assert smtp(site, "theirs-and-ours").startswith("250")
    assert signatures(arrived(site, "theirs-and-ours")) == [("author.test", "s1")]
    with site.host.smtp() as client:
        client.sendmail("a@b.test", [FAR], "From: a@other.test\r\nSubject: not-listed\r\n\r\nHello.\r\n")
    assert signatures(arrived(site, "not-listed")) == []

    pushed = push(site, MAIL)
    assert pushed.accepted, pushed.text
    assert site.sh(LOOK) == before
