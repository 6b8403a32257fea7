"""A secret goes from a pipe to the one file that Postfix reads, and nowhere else; and it goes when it is not needed."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING

from tests.e2e.adopted_host import CLONE, MAIL, AdoptedHost

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "correct-horse-battery-staple"
SMART_HOST = """\
smart_host:
  nexthop: "[127.0.0.1]:2587"
  username: someone
  password: !secret relay
"""


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's TLS context with a certificate of its own."""
    command = "openssl req -x509 -newkey ec -pkeyopt group:P-256 -nodes -days 2 -subj /CN=sink.test"
    subprocess.run([*command.split(), "-keyout", "key", "-out", "cert"], check=True, capture_output=True, cwd=folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


def set_secret(adopted: AdoptedHost) -> None:
    """Seal the password in the clone, from a pipe."""
    adopted.sh(f"mkdir -p {CLONE}/secrets && age-keygen -y /etc/reconciler/identity.age >{CLONE}/secrets/recipients")
    ran = adopted.reconciler("secret", "set", "relay", cwd=CLONE, typed=f"{PASSWORD}\n")
    assert ran.status == 0, ran.text
    assert PASSWORD not in ran.text
    files: dict[str, str | None] = {
        f"secrets/{name}": adopted.host.read(f"{CLONE}/secrets/{name}") for name in ("recipients", "relay.age")
    }
    adopted.sh(f"rm -r {CLONE}/secrets")
    assert adopted.push({**files, "mail.yaml": MAIL + SMART_HOST}, "Use the relay").accepted


def test_mail_is_relayed_with_a_login_that_nobody_else_reads(tmp_path: Path) -> None:
    with AdoptedHost() as adopted:
        adopted.host.sink(2587, tls=certificate(tmp_path))
        set_secret(adopted)
        assert adopted.host.send("a@mx1.example.com", "b@far.test").startswith("250 ")
        adopted.host.wait_for(lambda: adopted.host.received(2587), what="the message at the smart host")
        (message,) = adopted.host.received(2587)
        assert (message.login, message.tls) == ("someone", True)

        assert (
            adopted.sh("stat -c '%a %U' /etc/postfix/sasl_passwd /etc/postfix/sasl_passwd.lmdb") == "600 root\n600 root"
        )
        assert PASSWORD in adopted.host.read("/etc/postfix/sasl_passwd")
        assert "Permission denied" in adopted.sh("cat /etc/postfix/sasl_passwd", check=False, user="nobody")


def test_the_password_is_in_no_log_plan_journal_note_or_status(tmp_path: Path) -> None:
    with AdoptedHost() as adopted:
        adopted.host.sink(2587, tls=certificate(tmp_path))
        adopted.commit({})
        set_secret(adopted)
        oid = adopted.tip()
        shown = [adopted.daemon_log(), adopted.notes(oid), adopted.host.mail_log()]
        commands = (["status"], ["status", "--json"], ["log"], ["log", "--json"], ["plan"], ["plan", "--json"])
        shown += [adopted.reconciler(*command).text for command in commands]
        adopted.push({"mail.yaml": MAIL}, "Without it, to see the plan of going back")
        shown += [adopted.reconciler("plan", oid).text, adopted.reconciler("plan", oid, "--json").text]
        assert "sasl_passwd" in "".join(shown)
        assert PASSWORD not in "".join(shown)
        places = f"/var/lib/reconciler/private /srv /run /tmp /var/log {CLONE}"
        held = adopted.sh(f"grep -rl --exclude=test_secrets.* {PASSWORD} {places}", check=False)
        assert held == ""


def test_without_a_smart_host_the_password_is_gone_from_what_is_live() -> None:
    with AdoptedHost() as adopted:
        set_secret(adopted)
        assert adopted.push({"mail.yaml": MAIL}, "No relay any more").accepted
        assert adopted.sh("ls /etc/postfix | grep sasl_passwd", check=False) == ""
        assert adopted.sh(f"grep -r {PASSWORD} /etc/postfix/", check=False) == ""
        assert adopted.postconf("relayhost") == ""


def test_a_secret_of_this_host_that_is_sealed_to_somebody_else_is_refused_for_the_moment() -> None:
    with AdoptedHost() as adopted:
        before = adopted.live()
        adopted.sh("age-keygen -o /tmp/other")
        sealed = adopted.sh(f"echo {PASSWORD} | age -a -r $(age-keygen -y /tmp/other)")
        push = adopted.push({"secrets/relay.age": sealed + "\n", "mail.yaml": MAIL + SMART_HOST})
        assert not push.accepted
        assert "secrets/relay.age:1:1: secret relay can't be opened: is not encrypted to this host" in push.text
        assert "secrets/recipients" in push.text
        oid = adopted.write_past_hook({"secrets/relay.age": sealed + "\n", "mail.yaml": MAIL + SMART_HOST})
        status = adopted.wait_for("Refused", oid)
        assert status["phase"]["name"] == "Retrying", "the identity may come"
        assert adopted.live() == before


def test_root_writes_a_secret_through_no_link_in_somebodys_clone() -> None:
    with AdoptedHost(daemon=False) as adopted:
        adopted.sh(
            "useradd --system eve; install -d -o eve /home/eve /home/eve/secrets /home/eve/sub; "
            "echo old >/etc/victim; age-keygen -y /etc/reconciler/identity.age >/home/eve/secrets/recipients"
        )
        adopted.sh("cd /home/eve; touch mail.yaml; ln -s /etc/victim secrets/relay.age", user="eve")
        ran = adopted.reconciler("secret", "set", "relay", cwd="/home/eve/sub", typed=PASSWORD)
        assert ran.status == 0, ran.text
        assert adopted.sh("cat /etc/victim; stat -c '%F %U' /home/eve/secrets/relay.age") == "old\nregular file eve"
        adopted.sh("cd /home/eve; rm -r secrets; ln -s /etc secrets", user="eve")
        ran = adopted.reconciler("secret", "set", "relay", cwd="/home/eve", typed=PASSWORD)
        assert ran.status != 0
        assert "secrets/recipients can't be read" in ran.text
        assert adopted.sh("ls /etc/relay.age", check=False).startswith("ls: cannot access")
