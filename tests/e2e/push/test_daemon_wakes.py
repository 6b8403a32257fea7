"""Every cause of a reload goes through one queue: renewed certificates, new identities, storms of pushes and edits."""

from __future__ import annotations

import signal
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, STATE, UNREHEARSED, AdoptedHost
from tests.e2e.preloaded import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

LIVE = "/etc/letsencrypt/live/mx1"
TLS: dict[str, str | None] = {
    **STATE,
    "mail.yaml": MAIL
    + f"""\
  smtpd_tls_security_level: may
  smtpd_tls_cert_file: {LIVE}/fullchain.pem
  smtpd_tls_key_file: {LIVE}/privkey.pem
""",
}
MAKE = """
make() {
    mkdir -p "$1" && (umask 077; openssl req -x509 -newkey ec -pkeyopt group:P-256 -nodes -days 2 -set_serial "$2" \
        -subj /CN=mx1.example.com -keyout "$1/privkey.pem" -out "$1/fullchain.pem" 2>/dev/null)
}
"""
RENEWALS = {
    "written in place": "make /tmp/new {0} && cat /tmp/new/privkey.pem >{1}/privkey.pem && sleep 0.2 &&"
    " cat /tmp/new/fullchain.pem >{1}/fullchain.pem",
    "renamed over": "make /tmp/new {0} && mv /tmp/new/fullchain.pem /tmp/new/privkey.pem {1}/",
    "links switched, as certbot does": "make /etc/letsencrypt/archive/{0} {0} && for name in privkey fullchain; do"
    " ln -sfn /etc/letsencrypt/archive/{0}/$name.pem {1}/$name.pem; done",
    "the folder switched": "make /etc/letsencrypt/archive/{0} {0} && rm -r {1} &&"
    " ln -sn /etc/letsencrypt/archive/{0} {1}",
}


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    """A host that offers TLS with certificate number 1."""
    with AdoptedHost(adopt=False, daemon=False, settings=UNREHEARSED) as made:
        made.sh(f"{MAKE} make {LIVE} 1")
        made.push(TLS)
        made.reconciler("once", "--adopt")
        made.start_daemon()
        yield made


def serial(adopted: AdoptedHost) -> int:
    """The number of the certificate in a real handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with adopted.host.smtp() as conversation:
        conversation.starttls(context=context)
        shown = conversation.sock.getpeercert(binary_form=True)  # type: ignore[union-attr]
    text = adopted.host.run("openssl", "x509", "-noout", "-serial", input=ssl.DER_cert_to_PEM_cert(shown)).stdout
    return int(text.strip().removeprefix("serial="), 16)


def reloads(adopted: AdoptedHost) -> int:
    """How often Postfix was reloaded so far, by its own account."""
    return adopted.host.mail_log().count(": reload -- version")


def look_again(adopted: AdoptedHost) -> None:
    """Have the daemon compare everything, and wait until it has: a pass that was under way may end first."""
    passes = len(adopted.passes())
    adopted.signal_daemon(signal.SIGHUP)
    adopted.host.wait_for(lambda: any("signal" in one["reasons"] for one in adopted.passes()[passes:]), what="a pass")


@pytest.mark.parametrize("renewal", RENEWALS)
def test_a_renewed_certificate_is_offered_after_one_reload(adopted: AdoptedHost, renewal: str) -> None:
    before, count = serial(adopted), reloads(adopted)
    adopted.sh(MAKE + RENEWALS[renewal].format(before + 1, LIVE))
    adopted.host.wait_for(lambda: serial(adopted) == before + 1, what="the new certificate")
    adopted.host.wait_for(lambda: adopted.log("-1")[0]["wake"] == "certificate", what="the record")
    assert reloads(adopted) == count + 1
    (line,) = adopted.log("-1")
    assert line["outcome"] == "Unchanged"
    assert "reloaded for" in line["why"]
    assert f"{LIVE}/fullchain.pem" in line["why"]
    look_again(adopted)
    assert reloads(adopted) == count + 1


def test_one_that_does_not_belong_to_its_key_is_told_once_and_not_reloaded_into(adopted: AdoptedHost) -> None:
    number, count = serial(adopted), reloads(adopted)
    adopted.sh(f"{MAKE} make /tmp/other 99; cp {LIVE}/fullchain.pem /tmp/good.pem; cp /tmp/other/fullchain.pem {LIVE}/")
    adopted.host.wait_for(lambda: adopted.log("-1")[0].get("why") == "not reloaded", what="the record")
    (line,) = adopted.log("-1")
    (finding,) = line["findings"]
    assert finding["rule"] == "broken-certificate"
    assert "the private key does not belong to the certificate" in finding["text"]
    look_again(adopted)
    assert len([one for one in adopted.log() if one.get("why") == "not reloaded"]) == 1
    assert reloads(adopted) == count
    adopted.sh(f"cp /tmp/good.pem {LIVE}/fullchain.pem")
    look_again(adopted)
    assert (reloads(adopted), serial(adopted)) == (count, number)


def test_what_parses_certificates_does_not_stay_in_the_daemon(adopted: AdoptedHost) -> None:
    look_again(adopted)
    assert isinstance(adopted.daemon, Program)
    mapped = Path(f"/proc/{adopted.daemon.pid}/maps").read_text("utf-8")
    assert "libgit2" in mapped
    assert "cryptography" not in mapped
    (due,) = adopted.told()["due"]
    assert "expires in" in due["text"]


def test_a_renewal_while_no_daemon_ran_is_noticed_at_its_start(adopted: AdoptedHost) -> None:
    number = serial(adopted)
    adopted.stop_daemon()
    adopted.sh(MAKE + RENEWALS["renamed over"].format(number + 1, LIVE))
    adopted.start_daemon()
    adopted.host.wait_for(lambda: serial(adopted) == number + 1, what="the new certificate")


def test_a_storm_of_pushes_and_edits_keeps_the_pace_and_its_last_state_lands() -> None:
    with AdoptedHost(daemon=False, settings=UNREHEARSED) as adopted:
        adopted.sh("sed -i 's/^reload_interval.*/reload_interval = \"5s\"/' /etc/reconciler.toml")
        adopted.start_daemon()
        before, began = reloads(adopted), adopted.host.run("date", "+%s").stdout
        for number in range(30):
            oid = adopted.write_past_hook({"tables/transport": f"storm{number}.test  relaylim:\n"})
            if number % 3 == 0:
                adopted.sh("postconf -e smtpd_banner=hello")
        pushed = [adopted.push({"tables/transport": f"last{number}.test  relaylim:\n"}) for number in range(6)]
        assert all(push.accepted and "live and verified" in push.text for push in pushed)
        assert any("at most one reload in 5 s" in push.text for push in pushed)
        seconds = int(adopted.host.run("date", "+%s").stdout) - int(began)
        assert reloads(adopted) - before <= 3 + seconds // 5 + 1
        assert adopted.told()["live"]["revision"] == pushed[-1].oid != oid
        assert adopted.sh("postmap -q last5.test lmdb:/etc/postfix/transport") == "relaylim:"
        assert adopted.postconf("smtpd_banner") != "hello"
        adopted.stop_daemon()
        adopted.sh("sed -i 's/^reload_interval.*/reload_interval = \"1h\"/' /etc/reconciler.toml")
        adopted.start_daemon()
        assert adopted.push({"tables/transport": "again.test  relaylim:\n"}).accepted
        adopted.sh("postconf -e smtpd_banner=hello")
        killed = adopted.master()
        adopted.sh(f"kill -KILL {killed}")
        what = "a master, which waits for no interval"
        adopted.host.wait_for(lambda: adopted.master() != killed and adopted.answers(), what=what)


def test_an_identity_that_comes_back_wakes_the_commit_that_needed_it() -> None:
    with AdoptedHost(settings=UNREHEARSED) as adopted:
        identity = "/etc/reconciler/identity.age"
        recipient = adopted.sh(f"age-keygen -y {identity}")
        adopted.sh(f"mv {identity} /root/identity")
        sealed = adopted.host.run("age", "-a", "-r", recipient, input="hunter2").stdout
        relay = 'smart_host:\n  nexthop: "[127.0.0.1]:2526"\n  username: u\n  password: !secret relay\n'
        push = adopted.write_past_hook({"mail.yaml": MAIL + relay, "secrets/relay.age": sealed})
        assert adopted.wait_for("Refused", push)["phase"]["name"] == "Retrying"
        for _ in range(5):  # its pauses have become long
            look_again(adopted)
        adopted.sh(f"mv /root/identity {identity}")
        assert adopted.wait_for("Applied", push)["last"]["wake"] == "secret"


def test_a_git_that_hangs_loses_the_note_and_holds_nothing_else_up() -> None:
    with AdoptedHost(settings=UNREHEARSED) as adopted:
        hanging = '#!/bin/sh\ncase "$*" in *notes*) sleep 600;; esac\nexec /usr/bin/git.real "$@"\n'
        adopted.sh("mv /usr/bin/git /usr/bin/git.real")
        adopted.host.write("/usr/bin/git", hanging, 0o755)
        oid = adopted.write_past_hook({"tables/transport": "hang.test  relaylim:\n"})
        adopted.wait_for("Applied", oid)
        adopted.host.wait_for(lambda: '"event": "note_lost"' in adopted.daemon_log(), what="the note given up")
        assert "git timed out" in adopted.daemon_log()
        assert adopted.sh("pgrep -f 'sleep 600'", check=False) == ""
        further = adopted.write_past_hook({"tables/transport": "after.test  relaylim:\n"})
        adopted.wait_for("Applied", further)
