"""A restart and the start of a master that died are quick: Postfix does not check its installation, unless it must."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.adopted_host import MAIL, UNREHEARSED, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKED = "postfix-script[", "not owned by root: /etc/postfix"
"""What the check logs of a file of another user."""


def was_checked(adopted: AdoptedHost, restart: Callable[[], object]) -> bool:
    """Have Postfix restarted; return whether its installation was checked."""
    before, log = adopted.master(), len(adopted.host.mail_log())
    restart()
    adopted.host.wait_for(lambda: adopted.master() != before and adopted.answers(), what="another master")
    assert adopted.sh("ls /var/spool/postfix | grep quick", check=False) == ""
    logged = adopted.host.mail_log()[log:]
    return any(all(word in line for word in CHECKED) for line in logged.splitlines())


def test_a_restart_checks_the_installation_only_where_that_may_find_something_to_do() -> None:
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:

        def push(interfaces: str) -> None:
            text = f"{MAIL}  inet_interfaces: {interfaces}\n"
            adopted.wait_for("Applied", adopted.push({"mail.yaml": text}, "Needs a restart").oid)

        def kill(edit: str = "true") -> None:
            adopted.sh(f"{edit}; kill -KILL {adopted.master()}")

        adopted.sh("touch /etc/postfix/theirs && chown nobody /etc/postfix/theirs")
        assert not was_checked(adopted, lambda: push("127.0.0.1"))
        assert not was_checked(adopted, kill)
        adopted.sh("rmdir /var/spool/postfix/saved")
        assert was_checked(adopted, lambda: push("all"))
        assert adopted.sh("stat -c '%U %a' /var/spool/postfix/saved") == "postfix 700"
        assert was_checked(adopted, lambda: kill("echo hash_queue_depth = 2 >>/etc/postfix/main.cf"))
