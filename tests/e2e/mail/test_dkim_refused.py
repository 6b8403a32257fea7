"""Where rspamd is missing, is somebody's own, or does not come up: nothing changes, or all of it goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import CLONE, MAIL, AdoptedHost, Push
from tests.e2e.mail.test_dkim import FAR, arrived, publish, signatures, smtp

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE: dict[str, str | None] = {"mail.yaml": MAIL, "tables/transport": "far.test  smtp:[127.0.0.1]:2525\n"}
SIGNED = MAIL + "dkim: {{selector: s1, key: !secret dkim-s1{}}}\n"
OWN = "/etc/rspamd/local.d/options.inc"
LOOK = (
    "find /etc/rspamd -printf '%p %y %m %l\\n' | sort; find /etc/rspamd -type f -exec sha256sum {} + | sort;"
    " ls /etc/rc2.d | grep rspamd; pgrep -c -f '[r]spamd: main' || true"  # the brackets keep the shell itself out
)


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost(state=STATE) as made:
        made.host.sink(2525)
        key = made.reconciler("dkim", "new", "s1")
        assert key.status == 0, key.text
        publish(key.text)
        yield made


def push(adopted: AdoptedHost, mail: str, **files: str) -> Push:
    """Push a mail.yaml, with the secrets that the branch has."""
    return adopted.push({"mail.yaml": mail, **files}, "Signatures")


def refused(adopted: AdoptedHost, mail: str, *said: str) -> None:
    """The push is refused for that, and nothing has changed."""
    live, rspamd = adopted.live(), adopted.sh(LOOK)
    pushed = push(adopted, mail)
    assert not pushed.accepted, pushed.text
    for text in said:
        assert text in pushed.text
    assert (adopted.live(), adopted.sh(LOOK)) == (live, rspamd)


def test_a_missing_package_and_a_stranger_on_the_port_are_refused_before_anything_changes(adopted: AdoptedHost) -> None:
    status = "/var/lib/dpkg/status"
    adopted.sh(f"cp {status} /tmp/status; sed -i '/^Package: rspamd$/,/^$/d' {status}")
    refused(adopted, SIGNED.format(""), "package rspamd, which is not installed: apt install rspamd")
    adopted.sh(f"cp /tmp/status {status}")

    stranger = adopted.host.start("python3", "-m", "http.server", "11332")
    adopted.host.wait_for(lambda: "11332" in adopted.sh("ss -ltn"), what="a stranger")
    refused(adopted, SIGNED.format(""), "port 11332, which rspamd needs, is already taken by python3")
    stranger.kill()


def test_a_signer_that_does_not_come_up_is_rolled_back_and_mail_flows(adopted: AdoptedHost) -> None:
    adopted.sh("cp /usr/bin/rspamd /tmp/rspamd; printf '#!/bin/sh\\nexit 1\\n' >/usr/bin/rspamd.new")
    adopted.sh("chmod 755 /usr/bin/rspamd.new; mv /usr/bin/rspamd.new /usr/bin/rspamd")
    live, before = adopted.live(), adopted.sh(LOOK)
    pushed = push(adopted, SIGNED.format(""))
    assert "rspamd does not start" in pushed.text
    assert adopted.wait_for("RolledBack", pushed.oid)
    assert (adopted.live(), adopted.sh(LOOK)) == (live, before)
    assert smtp(adopted, "flows").startswith("250")
    assert signatures(arrived(adopted, "flows")) == []
    adopted.sh("mv /tmp/rspamd /usr/bin/rspamd")


def test_a_key_that_only_looks_like_one_signs_nothing_and_is_rolled_back(adopted: AdoptedHost) -> None:
    adopted.sh(f"cd {CLONE} && git fetch -q && git reset -q --hard origin/main")
    typed = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY-----\n"
    assert adopted.reconciler("secret", "set", "bad", cwd=CLONE, typed=typed).status == 0
    live, before = adopted.live(), adopted.sh(LOOK)
    bad = {"secrets/bad.age": adopted.host.read(f"{CLONE}/secrets/bad.age")}
    pushed = push(adopted, SIGNED.format("").replace("dkim-s1", "bad"), **bad)
    assert "it signs nothing" in pushed.text, pushed.text
    assert adopted.wait_for("RolledBack", pushed.oid)
    assert (adopted.live(), adopted.sh(LOOK)) == (live, before)


def test_an_administrators_rspamd_is_not_put_out_of_force_unsaid_and_comes_back_as_it_was(adopted: AdoptedHost) -> None:
    adopted.host.write(OWN, 'url_tld = "/dev/null";\n')
    adopted.sh("service rspamd start >/dev/null 2>&1")
    adopted.host.wait_for(lambda: "11332" in adopted.sh("ss -ltn"), 120, "their own rspamd")
    before, main = adopted.sh(LOOK), adopted.sh("cat /run/rspamd/rspamd.pid")
    refused(adopted, SIGNED.format(""), OWN, "write only_sign: no")

    pushed = push(adopted, SIGNED.format(", only_sign: no, domains: [author.test]"))
    assert pushed.accepted, pushed.text
    assert adopted.sh("cat /run/rspamd/rspamd.pid") == main
    assert smtp(adopted, "theirs-and-ours").startswith("250")
    assert signatures(arrived(adopted, "theirs-and-ours")) == [("author.test", "s1")]
    with adopted.host.smtp() as client:
        client.sendmail("a@b.test", [FAR], "From: a@other.test\r\nSubject: not-listed\r\n\r\nHello.\r\n")
    assert signatures(arrived(adopted, "not-listed")) == []

    pushed = push(adopted, MAIL)
    assert pushed.accepted, pushed.text
    assert adopted.sh(LOOK) == before
