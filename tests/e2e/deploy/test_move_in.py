"""The commands of docs/move-in.md, from a host that runs without reconciler to its first push."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.deploy.installation import hand_over
from tests.e2e.deploy.installation import wheels as wheels  # noqa: PLC0414 - a fixture
from tests.e2e.hosts import CHECKOUT, Host
from tests.e2e.move_in.shaped import lay_out

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
