"""A host that is not well keeps what it has: nothing leaves what is live because it can't be made again today."""

from __future__ import annotations

from tests.e2e.adopted_host import CLONE, MAIL, AdoptedHost
from tests.e2e.push.test_secrets import set_secret

IDENTITY = "/etc/reconciler/identity.age"
GONE = MAIL + "  smtpd_tls_security_level: may\n  smtpd_tls_chain_files: /etc/ssl/own.pem\n"


def test_without_its_identity_the_host_keeps_its_login_and_takes_the_push_when_it_is_restored() -> None:
    with AdoptedHost() as adopted:
        set_secret(adopted)
        adopted.wait_for("Applied", adopted.tip())
        live = adopted.live()
        adopted.sh(f"mv {IDENTITY} /root/kept.age")

        pushed = adopted.push({"tables/transport": "far.test smtp:[127.0.0.1]:2525\n"}, "A harmless push")
        assert not pushed.accepted
        assert "secret relay can't be opened: no identity in /etc/reconciler/identity.age" in pushed.text
        assert adopted.live() == live
        oid = adopted.write_past_hook({"tables/transport": "far.test smtp:[127.0.0.1]:2525\n"}, "A harmless push")
        status = adopted.wait_for("Postponed", oid)
        assert status["phase"]["name"] == "Retrying"
        assert "restore /etc/reconciler/identity.age" in status["phase"]["reason"]
        assert adopted.live() == live

        adopted.sh(f"age-keygen -o {IDENTITY} 2>/dev/null")  # somebody makes a new one, which opens nothing
        ran = adopted.once()
        assert "is not encrypted to this host" in ran.text
        assert ran.status == 75
        assert adopted.live() == live
        adopted.sh(f"rm {IDENTITY}")
        assert adopted.reconciler("rollback").status == 0, "a way back needs no identity"
        adopted.reconciler("resume")
        adopted.sh(f"mv /root/kept.age {IDENTITY}")
        adopted.wait_for("Applied", oid)
        assert adopted.postconf("smtp_sasl_auth_enable") == "yes"
        assert "far.test" in adopted.host.read("/etc/postfix/transport")
        assert "someone:" in adopted.host.read("/etc/postfix/sasl_passwd")


def test_what_was_wrong_before_adoption_and_is_wrong_after_a_rollback_or_a_rescue_refuses_nothing() -> None:
    state = {"mail.yaml": GONE, "tables/transport": "old.test  smtp:[127.0.0.1]:2525\n"}
    with AdoptedHost(state=state, adopt=False, daemon=False) as adopted:
        adopted.sh("postconf -e smtpd_tls_security_level=may smtpd_tls_chain_files=/etc/ssl/own.pem")
        ran = adopted.reconciler("once", "--adopt")
        assert ran.status == 0, ran.text
        (told,) = [one["text"] for one in adopted.log()[0]["findings"] if one["rule"] == "missing-file"]
        assert "what is live has the same error" in told
        adopted.start_daemon()
        second = adopted.push({"mail.yaml": GONE + "  myorigin: example.com\n"}, "Another push on the same fault")
        assert second.accepted, second.text
        adopted.wait_for("Applied", second.oid)
        wrong = adopted.push({"mail.yaml": GONE + "  smtpd_tls_CAfile: /etc/ssl/none.pem\n"}, "A fault that is new")
        assert not wrong.accepted
        assert "none.pem" in wrong.text

        assert adopted.reconciler("rollback").status == 0
        adopted.sh(f"cd {CLONE} && git fetch -q && git reset -q --hard origin/main")
        third = adopted.push({"mail.yaml": GONE + "  myorigin: mx1.example.com\n"}, "Urgent, after a rollback")
        assert third.accepted, third.text
        adopted.wait_for("Applied", third.oid)

        assert adopted.reconciler("rescue").status == 0
        fourth = adopted.push({"mail.yaml": GONE + "  myorigin: example.com\n"}, "Urgent, after a rescue")
        assert fourth.accepted, fourth.text
        assert "what is live has the same error" in fourth.text
        adopted.reconciler("resume")
        adopted.wait_for("Applied", fourth.oid)
        assert adopted.answers()


def test_a_change_of_the_queue_leaves_no_mail_behind() -> None:
    other = MAIL + "  queue_directory: /srv/queue\n  transport_maps: 'inline:{far.test=smtp:[127.0.0.1]:2599}'\n"
    with AdoptedHost(state={"mail.yaml": other.replace("  queue_directory: /srv/queue\n", "")}) as adopted:
        adopted.sh("mkdir -p /srv/queue && mount -t tmpfs -o mode=755 tmpfs /srv/queue")
        assert adopted.host.send("a@mx1.example.com", "b@far.test").startswith("250 ")
        adopted.host.wait_for(lambda: "status=deferred" in adopted.host.mail_log(), what="a message that waits")
        live = adopted.live()

        refused = adopted.push({"mail.yaml": other}, "Another queue")
        assert not refused.accepted
        assert "mail.yaml:5:20: queue_directory would become /srv/queue, but 1 message waits" in refused.text
        assert adopted.live() == live
        oid = adopted.write_past_hook({"mail.yaml": other}, "Another queue")
        assert adopted.wait_for("Refused", oid)["phase"]["name"] == "Retrying"
        adopted.sh("postsuper -d ALL")
        adopted.wait_for("Applied", oid)

        assert adopted.host.send("a@mx1.example.com", "c@far.test").startswith("250 ")
        adopted.host.wait_for(lambda: "to=<c@far.test>" in adopted.host.mail_log(), what="a message in the new queue")
        assert adopted.reconciler("rollback").status == 0
        assert adopted.postconf("queue_directory") == "/var/spool/postfix"
        assert adopted.sh("find /srv/queue/incoming /srv/queue/active /srv/queue/deferred -type f") == ""
        adopted.host.sink(2599)
        adopted.sh("postqueue -f")
        adopted.host.wait_for(lambda: adopted.host.received(2599), what="the message that was taken along")


def test_what_only_the_next_start_needs_refuses_the_push_and_what_a_start_makes_itself_does_not() -> None:
    with AdoptedHost() as adopted:
        adopted.sh("install -d -g postfix -m 2775 /srv/group && install -d -m 700 /srv/hidden")
        live = adopted.live()
        for settings, said in {
            "data_directory: /var/opt": "mail.yaml:5:19: data_directory:",
            "data_directory: /srv/a/b": "/srv/a does not exist",
            "data_directory: /etc/hostname": "it is not a folder",
            "queue_directory: /srv/hidden": "sendmail would fail for every user but root",
            "multi_instance_directories: /etc/postfix-out": "/etc/postfix-out/main.cf does not exist",
            "maillog_file: /var/nodir/mail.log": "/var/nodir does not exist",
            "myorigin: debian.org": "refuses to start Postfix",
        }.items():
            refused = adopted.push({"mail.yaml": f"{MAIL}  {settings}\n"}, settings)
            assert not refused.accepted, settings
            assert said in refused.text, refused.text
        aliases = 'postmaster: root\nnull: /dev/null\narchive: root, "/srv/archive/all"\n'
        refused = adopted.push({"mail.yaml": MAIL, "tables/aliases": aliases}, "An archive")
        assert "tables/aliases:3:1:" in refused.text
        assert adopted.live() == live

        adopted.sh("install -d -o nobody /srv/archive")
        settings = "  data_directory: /srv/newdata\n  maillog_file: /var/log/own.log\n"
        fine = adopted.push({"mail.yaml": MAIL + settings, "tables/aliases": aliases}, "All is there")
        assert fine.accepted, fine.text
        assert adopted.host.send("a@mx1.example.com", "archive@mx1.example.com").startswith("250 ")
        adopted.host.wait_for(lambda: adopted.sh("cat /srv/archive/all", check=False).startswith("From "), what="mail")
        adopted.sh("postfix stop; postfix start")
        assert adopted.answers()
        assert adopted.push({"mail.yaml": f"{MAIL}  data_directory: /srv/group\n"}, "By its group").accepted
        adopted.sh("postfix stop; postfix start")
        assert adopted.answers()
