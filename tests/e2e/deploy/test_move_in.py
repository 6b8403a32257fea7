"""The commands of docs/move-in.md, from a host that runs without reconciler to its first push."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.deploy.installation import hand_over, lay_packages
from tests.e2e.deploy.installation import wheels as wheels  # noqa: PLC0414 - a fixture
from tests.e2e.hosts import CHECKOUT, Host
from tests.e2e.move_in.shaped import lay_out
from tests.e2e.move_in.test_import import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = CHECKOUT / "docs/move-in.md"
CLONE = "/root/mail-state"
IDENTITY = "git config --global user.name Ada; git config --global user.email ada@example.com"


def commands() -> Iterator[str]:
    """Yield the commands of the page in their order, without the comments."""
    for line in PAGE.read_text().splitlines():
        words = line.partition("#")[0].split()
        if line.startswith("    ") and words and words[0] in {"deploy/install", "reconciler", "git"}:
            yield " ".join(words)


def test_the_commands_of_the_page_move_a_host_in(wheels: str) -> None:
    install, *others = commands()
    assert (install, len(others)) == ("deploy/install --import", 12)
    with Host() as host:
        lay_out(host, "duplicates", "/etc/postfix")
        lay_out(host, "debian", "/root/COPY")
        host.start_postfix()
        configured = host.run("postconf", "-n").stdout
        installed = hand_over(host, wheels, "--import")
        assert installed.returncode == 2, installed.stdout + installed.stderr
        assert "no changes" in installed.stdout
        host.run("sh", "-c", IDENTITY)
        for command in others:
            if command.startswith("git push"):
                host.run("sh", "-c", f"cd {CLONE} && sed -i 's/^parameters:/&\\n  soft_bounce: no/' mail.yaml")
                host.run("sh", "-c", f"cd {CLONE} && git commit -qam 'A first change'")
                assert host.run("postconf", "-n").stdout == configured
            folder = CLONE if command.startswith("git push") else "/root"
            done = host.run("sh", "-c", f"cd {folder} && {command} 2>&1", check=False)
            well = 1 if command == "reconciler status" else 0  # no systemd runs the daemon here
            assert done.returncode == well, (command, done.stdout)
            if command.startswith("git push"):
                host.run("reconciler", "once")
        assert host.run("postconf", "-n").stdout == configured + "soft_bounce = no\n"


# ---- a host of some size ---------------------------------------------------------------------------------------------

MAIN = """\
compatibility_level = 3.6
myhostname = mx1.example.com
mydestination = $myhostname, localhost
mynetworks = 127.0.0.0/8
recipient_delimiter = +
alias_maps = hash:/etc/aliases
transport_maps = hash:/etc/postfix/transport
virtual_alias_domains = example.org
virtual_alias_maps = hash:/etc/postfix/virtual
sender_canonical_maps = hash:/etc/postfix/sender_canonical
recipient_canonical_maps = hash:/etc/postfix/recipient_canonical
smtp_generic_maps = hash:/etc/postfix/generic
relocated_maps = hash:/etc/postfix/relocated
smtpd_client_restrictions = check_client_access hash:/etc/postfix/clients
smtpd_sender_restrictions = check_sender_access hash:/etc/postfix/senders
"""
TABLES = {
    "transport": "site1.test site1:\n", "virtual": "info@example.org root\n",
    "sender_canonical": "me@old.test me@example.org\n", "recipient_canonical": "old@example.org info@example.org\n",
    "generic": "root@mx1.example.com office@example.org\n", "relocated": "gone@mx1.example.com gone@elsewhere.test\n",
    "clients": "192.0.2.66 REJECT\n", "senders": "spam@spam.test REJECT\n",
}  # fmt: skip
# Parameters at their defaults, which somebody has written out, up to the number; and services beside Debian's.
FILL = r"""
    set -e
    cd /etc/postfix
    postconf -d | grep -E '^(smtp|smtpd|lmtp)_[a-z_]+_(timeout|limit|time) = [0-9]+s?$' >/root/more
    head -n $((60 - $(grep -c = main.cf))) /root/more >>main.cf
    for number in $(seq 15); do echo "site$number unix - - n - - smtp"; done >>master.cf
    for name; do postmap $name; done
    touch -d '-1 hour' main.cf
"""
ASKED = r"""
    exec 2>&1 </root/answers
    cd /root
    eval "$1" || status=$?
    grep -q '^pos:[[:space:]]*0$' /proc/$$/fdinfo/0 || echo 'it read an answer'
    exit ${status:-0}
"""


def test_a_host_of_60_settings_15_services_and_8_tables_moves_in_by_seven_commands_and_is_asked_nothing(
    wheels: str,
) -> None:
    seven = list(commands())[:7]
    assert seven[-1] == "git push"
    with Host() as host:
        for name, text in {"main.cf": MAIN, **TABLES}.items():
            host.write(f"/etc/postfix/{name}", text)
        host.run("bash", "-c", FILL, "fill", *TABLES)
        host.write("/root/answers", "yes\n" * 9)
        host.start_postfix()
        before, configured = tree(host), host.run("postconf", "-n").stdout
        assert (configured.count("\n"), len(TABLES)) == (60, 8)
        assert host.run("postconf", "-M").stdout.count("\nsite") == 15
        lay_packages(host)
        env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels}
        ends = {"deploy/install --import": 2, "reconciler status": 1}  # not adopted yet; no systemd runs the daemon

        for command in seven[:-1]:
            line = command.replace("deploy/", f"{CHECKOUT}/deploy/")
            done = host.run("bash", "-c", ASKED, "asked", line, env=env, check=False, timeout=300)
            assert done.returncode == ends.get(command, 0), (command, done.stdout)
            assert "it read an answer" not in done.stdout, (command, done.stdout)

        assert tree(host) == before
        plan = host.run("reconciler", "plan", check=False)
        assert (plan.returncode, "no changes" in plan.stdout) == (0, True), plan.stdout
        assert host.send("a@far.test", "old@example.org").startswith("250 ")
        mailbox = ("cat", "/var/mail/root")
        host.wait_for(lambda: "From a@far.test" in host.run(*mailbox, check=False).stdout, what="the message")

        host.run("reconciler", "rescue")
        assert tree(host) == before
        assert host.run("postconf", "-n").stdout == configured
