"""After a rollback and a rescue nothing is excused: Postfix is asked for mail, and status tells what stands now."""

from __future__ import annotations

import json
import signal

from tests.e2e.adopted_host import MAIL, UNREHEARSED, AdoptedHost
from tests.e2e.asked_servers import end_servers, route, serve

MILTER = MAIL + "  smtpd_milters: inet:127.0.0.1:8891\n  milter_default_action: tempfail\n"
POLICY = MAIL + (
    "  smtpd_recipient_restrictions: check_policy_service inet:127.0.0.1:10040\n"
    "  smtpd_policy_service_timeout: 2s\n  smtpd_policy_service_request_limit: 0\n"
)
HANGS = (
    "import socket, time; server = socket.create_server(('127.0.0.1', 10040)); open('/tmp/hangs', 'w');"
    " time.sleep(1000)"
)
MILTER_HELP = "start the server at inet:127.0.0.1:8891"


def verdict(adopted: AdoptedHost) -> tuple[str, str, str]:
    told = adopted.told()["verdict"]
    return told["level"], told["text"], told["next"]


def test_a_milter_that_is_dead_after_a_rollback_is_told_at_once_and_until_it_answers() -> None:
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        serve(adopted, "milter", "8891")
        adopted.wait_for("Applied", adopted.push({"mail.yaml": MILTER, **route(1)}, "A milter").oid)
        adopted.wait_for("Applied", adopted.push(route(2), "Something to roll back").oid)
        end_servers(adopted)

        ran = adopted.reconciler("rollback")
        assert ran.status == 0, ran.text
        assert 'it answers "451 4.7.1 Service unavailable' in ran.text
        assert "live after" in ran.text
        assert "and verified" not in ran.text
        newest, before = adopted.log("-2")
        assert (newest["outcome"], before["outcome"]) == ("Unchanged", "Applied")
        assert [one["severity"] for one in newest["findings"]] == ["error"]
        level, text, command = verdict(adopted)
        assert level == "attention"
        assert "mail.yaml:5:18: smtpd_milters: no server answers" in text
        assert command == MILTER_HELP
        adopted.stop_daemon()
        told = json.loads(adopted.reconciler("status", "--json").text)
        assert any("no server answers" in one for one in told["verdict"]["also"]), "also without a daemon"
        adopted.start_daemon()
        assert verdict(adopted)[2] == MILTER_HELP

        serve(adopted, "milter", "8891")
        adopted.patiently(lambda: "no server" not in verdict(adopted)[1], "a status that looks at what stands now")
        adopted.signal_daemon(signal.SIGHUP)
        adopted.patiently(lambda: verdict(adopted)[0] == "well", "mail that is taken again")
        assert adopted.log("-1")[0]["findings"] == []
        assert adopted.told()["phase"]["name"] == "Suspended"
        end_servers(adopted)
        assert verdict(adopted)[2] == MILTER_HELP, "a server that dies in the pause"

        assert adopted.reconciler("rescue").status == 0
        assert verdict(adopted) == ("well", verdict(adopted)[1], "nothing to do")
        assert "verified: " in adopted.reconciler("rescue").text


def test_a_policy_server_that_hangs_blocks_no_rollback() -> None:
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        serve(adopted, "policy", "10040")
        adopted.wait_for("Applied", adopted.push({"mail.yaml": POLICY, **route(1)}, "A policy").oid)
        adopted.wait_for("Applied", adopted.push(route(2), "Something to roll back").oid)
        end_servers(adopted)
        adopted.host.start("python3", "-c", HANGS)
        adopted.patiently((adopted.host.root / "tmp/hangs").exists, "a server that hangs")
        ran = adopted.reconciler("rollback")
        assert ran.status == 0, ran.text
        assert "live after" in ran.text
        assert "route1.test" in adopted.host.read("/etc/postfix/transport")
        assert verdict(adopted)[0] == "attention", ran.text
