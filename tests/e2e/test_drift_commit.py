"""With policy ``commit`` a hand edit is put back and becomes a commit on drift/HOST, which goes live when it is merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import CLONE, MAIL, REPOSITORY, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

BRANCH = "drift/mx1.example.com"
COMMIT = '[drift]\npolicy = "commit"\n'
KEPT = {
    "vi": (
        r"TERM=dumb vim.tiny -e -s -c 'g/^mynetworks/s/127/126/' -c wq /etc/postfix/main.cf",
        "mynetworks",
        "+  mynetworks: 126.0.0.0/8",
    ),
    "postconf -e": ("postconf -e 'smtpd_banner=hello: you'", "smtpd_banner", "+  smtpd_banner: 'hello: you'"),
    "postconf -X": ("postconf -X mydestination", "mydestination", "-  mydestination: mx1.example.com, localhost"),
    "postconf -M": (
        "postconf -M 2599/inet='2599 inet n - n - - smtpd -o smtpd_banner=2599'",
        "2599/inet",
        "+2599 inet n - n - - smtpd\n+    -o smtpd_banner=2599",
    ),
    "postconf -F": ("postconf -F smtp/inet/process_limit=7", "smtp/inet", "+  smtp/inet: {maxproc: 7}"),
    "postconf -P": ("postconf -P smtp/inet/smtpd_banner=x", "smtp/inet", "+  smtp/inet: {options: {smtpd_banner: x}}"),
    "postconf -MX": ("postconf -MX flush/unix", "flush/unix", "+  flush/unix: null"),
    "sed -i": ("sed -i s/2525/2526/ /etc/postfix/transport", "transport", "+old.test  smtp:[127.0.0.1]:2526"),
    "a comment": ("echo '# remember' >>/etc/postfix/main.cf", "main.cf", ""),
    "chmod": ("chmod 600 /etc/postfix/main.cf", "main.cf", ""),
    "postmap": ("printf 'x.test  discard:\\n' | postmap -i -r lmdb:/etc/postfix/transport", "transport.lmdb", ""),
    "a deletion": ("rm /etc/postfix/master.cf", "smtp/inet", ""),
    "garbage": ("echo 'what is this' >>/etc/postfix/master.cf", "master.cf", ""),
}


@pytest.fixture(scope="module")
def module() -> Iterator[Site]:
    with Site(settings=COMMIT) as made:
        yield made


@pytest.fixture
def site(module: Site) -> Site:
    """A site without edits that nobody has merged."""
    module.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    return module


def kept(site: Site, passes: int, name: str) -> str:
    """The commit that the edit became, once everything is as it was."""
    site.host.wait_for(lambda: any(line["kept"] for line in site.passes()[passes:]), what="a commit")
    oid = site.git("rev-parse", f"refs/heads/{BRANCH}")
    assert site.passes()[-1]["kept"] == oid
    assert name in site.git("log", "-1", "--format=%s", oid)
    return oid


@pytest.mark.parametrize("edit", KEPT)
def test_a_hand_edit_is_put_back_and_kept(site: Site, edit: str) -> None:
    script, name, line = KEPT[edit]
    before, passes, tip = site.sh("cat /etc/postfix/m*.cf /etc/postfix/transport"), len(site.passes()), site.tip()
    site.sh(script)
    oid = kept(site, passes, name)
    print(site.git("show", oid))
    assert site.sh("cat /etc/postfix/m*.cf /etc/postfix/transport") == before
    assert site.git("rev-parse", f"{oid}^") == tip
    shown = site.git("show", "--format=", oid)
    assert line in shown if line else not shown
    assert site.told()["drift"] == []
    assert site.told()["phase"] == {"name": "Steady"}
