"""What works only because its processes started before a trouble is not restarted: mail goes on, the commit waits."""

from __future__ import annotations

import signal
from contextlib import ExitStack

from tests.e2e.adopted_host import MAIL, UNREHEARSED, AdoptedHost
from tests.e2e.asked_servers import end_servers, route, serve

SOCKET = "/var/spool/postfix/private/auth"
LOGINS = MAIL + (
    "  smtpd_sasl_auth_enable: yes\n  smtpd_sasl_type: dovecot\n  smtpd_sasl_path: private/auth\n"
    "  smtpd_sasl_local_domain: mx1.example.com\n"
)
CHAIN = "/etc/ssl/mx.pem"
KEY = (
    "cd /etc/ssl && openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=mx1.example.com -keyout key"
    f" -out cert 2>/dev/null && cat key cert >{CHAIN} && chmod 600 {CHAIN}"
)
TLS = f"  smtpd_tls_chain_files: {CHAIN}\n  smtpd_tls_security_level: may\n"
ONE_SMTPD = "  max_idle: 1h\nservices:\n  smtp/inet: {maxproc: 1}\n"
"""The end of a mail.yaml: a client waits for the smtpd from before a trouble, where master would start another one."""
CROWD = """\
import smtplib, threading
def ask():
    client = smtplib.SMTP("127.0.0.1", 25)
    client.ehlo()
    client.mail("")
    client.rcpt("root@mx1.example.com")
    threading.Event().wait()
for _ in range(2):
    threading.Thread(target=ask).start()
"""
"""Clients that need a process of cleanup each, at once."""


def applied_now(adopted: AdoptedHost, oid: str) -> None:
    """Wake the daemon, as the pause before its next try grows with each of them, and wait for the commit."""
    adopted.signal_daemon(signal.SIGHUP)
    adopted.wait_for("Applied", oid)


def test_a_listener_whose_password_server_is_gone_is_not_restarted_until_the_server_is_back() -> None:
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        serve(adopted, "logins", SOCKET)
        adopted.wait_for("Applied", adopted.push({"mail.yaml": LOGINS, **route(1)}, "Logins").oid)
        adopted.wait_for("Applied", adopted.push(route(2), "Something to roll back").oid)
        assert adopted.answers()
        end_servers(adopted, SOCKET)
        live = adopted.live()

        pushed = adopted.push(route(3), "A harmless push")
        assert not pushed.accepted
        assert "smtpd would exit" in pushed.text
        assert "still work" in pushed.text
        oid = adopted.write_past_hook(route(3), "A harmless push")
        status = adopted.wait_for("Postponed", oid)
        assert status["phase"]["name"] == "Retrying"
        assert "Postfix works" in status["phase"]["reason"]
        ran = adopted.reconciler("rollback")
        assert ran.status != 0
        assert "postfix stop" in ran.text
        assert adopted.live() == live
        adopted.sh("echo edited = by hand >>/etc/postfix/main.cf")
        adopted.once()
        adopted.stop_daemon()
        adopted.start_daemon()
        assert adopted.answers(), "an edit and a new daemon end nothing either"

        serve(adopted, "logins", SOCKET)
        applied_now(adopted, oid)
        assert "by hand" not in adopted.host.read("/etc/postfix/main.cf")

        end_servers(adopted, SOCKET)
        repaired = adopted.push({"mail.yaml": MAIL}, "No logins any more")
        assert repaired.accepted, repaired.text
        adopted.wait_for("Applied", repaired.oid)
        assert adopted.answers()


def test_a_listener_that_is_dead_already_keeps_no_commit_from_going_live() -> None:
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        serve(adopted, "logins", SOCKET)
        adopted.wait_for("Applied", adopted.push({"mail.yaml": LOGINS}, "Logins").oid)
        end_servers(adopted, SOCKET)
        adopted.sh("pkill -x smtpd; true")
        adopted.sh("timeout 2 head -1 </dev/tcp/127.0.0.1/25", check=False)
        adopted.patiently(lambda: "throttling" in adopted.host.mail_log(), "a listener that master throttles")
        pushed = adopted.push(route(1), "A harmless push")
        assert pushed.accepted, pushed.text
        adopted.wait_for("Applied", pushed.oid)
        adopted.sh(": >/var/log/mail.log")  # so that nothing says why it was dead before
        pushed = adopted.push(route(2), "Another harmless push")
        adopted.wait_for("Applied", pushed.oid)
        findings = [one for line in adopted.log() for one in line["findings"]]
        assert any("a trouble of this host causes it" in one["text"] for one in findings), findings


def test_a_key_that_new_processes_cannot_load_is_not_loaded_anew() -> None:
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        adopted.sh(KEY)
        adopted.wait_for("Applied", adopted.push({"mail.yaml": MAIL + TLS + ONE_SMTPD}, "TLS").oid)
        starttls = "openssl s_client -connect 127.0.0.1:25 -starttls smtp </dev/null 2>&1 | grep 'subject=' | head -1"
        assert "mx1.example.com" in adopted.sh(starttls)
        adopted.sh(f"mv {CHAIN} {CHAIN}.gone")
        oid = adopted.write_past_hook(route(1), "A harmless push")
        adopted.wait_for("Postponed", oid)
        assert "mx1.example.com" in adopted.sh(starttls)
        adopted.sh(f"mv {CHAIN}.gone {CHAIN}")
        applied_now(adopted, oid)


def test_master_is_not_made_to_bind_an_address_that_the_host_has_lost() -> None:
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        adopted.sh("ip address add 192.0.2.77/32 dev lo")
        both = {"mail.yaml": MAIL + "  inet_interfaces: 127.0.0.1, 192.0.2.77\n"}
        adopted.wait_for("Applied", adopted.push(both, "Two addresses").oid)
        adopted.wait_for("Applied", adopted.push(route(1), "Something to roll back").oid)
        adopted.sh("ip address del 192.0.2.77/32 dev lo")
        oid = adopted.write_past_hook(route(2), "A harmless push")
        adopted.wait_for("Postponed", oid)
        assert adopted.reconciler("rollback").status != 0
        assert adopted.answers()
        # Of the processes of cleanup, one is left. The next dies, and master throttles the service for a minute.
        adopted.sh("pgrep -x cleanup | tail -n +2 | xargs -r kill")
        crowd = adopted.host.start("python3", "-c", CROWD)
        adopted.patiently(lambda: "cleanup: bad command startup" in adopted.host.mail_log(), "a process that died")
        crowd.terminate()
        crowd.wait(120)
        adopted.sh("ip address add 192.0.2.77/32 dev lo")
        applied_now(adopted, oid)
        adopted.sh("ip address del 192.0.2.77/32 dev lo")
        adopted.wait_for("Applied", adopted.push({"mail.yaml": MAIL}, "One address").oid)
        assert adopted.answers()


def test_a_renewed_certificate_and_a_vanished_table_wait_likewise() -> None:
    table = "/srv/access.regexp"
    both = f"{LOGINS}  smtpd_recipient_restrictions: check_recipient_access regexp:{table}, reject_unauth_destination\n"
    both += TLS + ONE_SMTPD
    asked = ["EHLO x.example", "MAIL FROM:<>", "RCPT TO:<root@mx1.example.com>", "QUIT"]

    def takes() -> bool:
        return any(reply.startswith("250 2.1.5") for reply in adopted.host.dialogue(asked))

    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        adopted.sh(f"{KEY}; echo '/never@/ REJECT' >{table}")
        serve(adopted, "logins", SOCKET)
        adopted.wait_for("Applied", adopted.push({"mail.yaml": both}, "All").oid)
        adopted.wait_for("Applied", adopted.push(route(1), "Something to roll back").oid)
        assert takes()
        shown = "openssl s_client -connect 127.0.0.1:25 -starttls smtp </dev/null 2>/dev/null | openssl x509 -serial"
        serial = adopted.sh(shown)

        end_servers(adopted, SOCKET)
        adopted.sh(f"{KEY}")
        adopted.patiently(lambda: any("renewed" in one for one in adopted.told().get("troubles", ())), "the trouble")
        assert adopted.sh(shown) == serial
        serve(adopted, "logins", SOCKET)
        adopted.patiently(lambda: adopted.sh(shown, check=False) not in {"", serial}, "the new certificate")
        assert takes()

        adopted.sh(f"mv {table} {table}.gone")
        oid = adopted.write_past_hook(route(2), "A harmless push")
        status = adopted.wait_for("Postponed", oid)
        assert table in status["phase"]["reason"]
        assert adopted.reconciler("rollback").status != 0
        assert takes()
        adopted.sh(f"mv {table}.gone {table}")
        applied_now(adopted, oid)
        assert takes()


def begin_cleanups(adopted: AdoptedHost) -> None:
    """Have more processes of cleanup begin than are busy at once later, so that master starts no other one."""
    with ExitStack() as opened:
        for _ in range(4):
            client = opened.enter_context(adopted.host.smtp())
            client.ehlo()
            client.mail("")
            client.rcpt("root@mx1.example.com")


def test_a_table_of_cleanup_that_vanished_waits_as_long_as_a_cleanup_runs_that_has_read_it() -> None:
    table = "/srv/headers.regexp"
    checked = f"{MAIL}  header_checks: regexp:{table}\n  max_idle: 1h\n"
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        adopted.sh(f"echo '/^X-Never:/ IGNORE' >{table}")
        adopted.wait_for("Applied", adopted.push({"mail.yaml": checked}, "Checks").oid)
        assert adopted.host.send("a@b.test", "root@mx1.example.com").startswith("250 ")
        begin_cleanups(adopted)
        adopted.sh(f"mv {table} {table}.gone")
        oid = adopted.write_past_hook(route(1), "A harmless push")
        assert table in adopted.wait_for("Postponed", oid)["phase"]["reason"]
        assert adopted.told()["verdict"]["next"] == f"restore {table}"
        assert adopted.host.send("a@b.test", "root@mx1.example.com").startswith("250 "), "no mail waits"
        adopted.sh("pkill -x cleanup; true")
        applied_now(adopted, oid)
        adopted.sh(f"mv {table}.gone {table}")
        adopted.wait_for("Applied", adopted.push(route(2), "The table is back").oid)
        assert adopted.host.send("a@b.test", "root@mx1.example.com").startswith("250 ")
