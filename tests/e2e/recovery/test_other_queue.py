"""Killed right after a change of queue_directory: one master is left, the old one, and it has all mail."""

from __future__ import annotations

from tests.e2e.adopted_host import MAIL, UNREHEARSED, AdoptedHost
from tests.e2e.crash_driver import KILLED, RESTART, CrashDriver

ROUTED = MAIL + "  transport_maps: 'inline:{far.test=smtp:[127.0.0.1]:2599}'\n"


def test_the_master_of_the_other_queue_is_stopped_and_its_mail_is_taken_along() -> None:
    state = {"mail.yaml": ROUTED}
    with AdoptedHost(state=state, settle="20ms", daemon=False, settings=UNREHEARSED) as adopted:
        crasher = CrashDriver(adopted)
        adopted.sh("mkdir -p /srv/queue")
        adopted.write_past_hook({"mail.yaml": ROUTED + "  queue_directory: /srv/queue\n"}, "Another queue")
        crasher.save("adopted")
        whole = crasher.run("once")
        assert whole.status == 0, whole.output
        restarted = whole.effects.index("act", whole.effects.index("symlink")) + 1
        adopted.sh("postfix stop")
        crasher.restore(RESTART)
        assert crasher.run("once", at=restarted, when="after").status == KILLED
        assert adopted.host.send("a@mx1.example.com", "b@far.test").startswith("250 ")
        assert adopted.sh("find /srv/queue/maildrop /srv/queue/incoming /srv/queue/active /srv/queue/deferred -type f")
        adopted.git("update-ref", "-d", "refs/heads/main")

        assert crasher.run("once").status == 1, "there is no branch to go to"

        assert crasher.whole().startswith("1-")
        parents = dict(line.split() for line in adopted.sh("ps -C master -o pid=,ppid=").splitlines())
        # A child of master has its name until it becomes another program.
        assert [pid for pid, parent in parents.items() if parent not in parents] == [adopted.master()]
        crasher.answers("after the recovery")
        assert "b@far.test" in adopted.sh("postqueue -p")
