"""deploy/quickstart on throw-away hosts: its story, and that nothing of it stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.deploy.installation import LISTING, QUICKSTART, master

if TYPE_CHECKING:
    from tests.e2e.hosts import Host


def running(host: Host) -> list[str]:
    """Every process; which of them began first is chance."""
    return sorted(host.run("ps", "-e", "-o", "args=").stdout.splitlines())


def test_the_quickstart_shows_its_story_twice_and_leaves_nothing(host: Host) -> None:
    begun = {"pickup", "qmgr"}  # which master starts a moment later
    host.wait_for(lambda: begun <= {line.partition(" ")[0] for line in running(host)}, what="Postfix's own processes")
    processes = running(host)
    before, own = host.run(*LISTING).stdout, master(host)
    for _ in range(2):
        story = host.run(QUICKSTART, timeout=120).stdout
        for piece in (
            "live in ", "verified: 1 listener, ", "refused, mail.yaml:", "reverted in ", "undone in ",
            "deploy/install --plan",
        ):  # fmt: skip
            assert piece in story
        assert "\x1b" not in story
        assert max(map(len, story.splitlines())) < 80
    assert host.run(*LISTING).stdout == before
    assert running(host) == processes
    assert master(host) == own
    assert "relaylim" not in host.mail_log()


def test_a_quickstart_that_is_kept_can_be_played_with_and_ended(bare_host: Host) -> None:
    processes = bare_host.run("ps", "-e", "-o", "args=").stdout
    careful = 'umask 077 && exec "$0" --keep'  # as some administrators have it
    story = bare_host.run("bash", "-c", careful, QUICKSTART, timeout=120).stdout
    place = next(line.split()[1] for line in story.splitlines() if line.startswith("  cd /var/tmp/"))
    assert bare_host.run(f"{place}/reconciler", "status").stdout.endswith("\nnext: nothing to do\n")
    script = r"""
        cd "$1/clone" && echo 'example.edu relaylim:[127.0.0.1]:1' >>tables/transport &&
        git commit --quiet --all --message 'One more' && git push 2>&1"""
    assert "live and verified" in bare_host.run("bash", "-c", script, "push", place).stdout
    assert "warning" not in bare_host.run(f"{place}/reconciler", "log").stdout
    bare_host.run(f"{place}/end")
    assert bare_host.run("ls", "-A", "/var/tmp").stdout == ""
    assert bare_host.run("ps", "-e", "-o", "args=").stdout == processes


def test_a_quickstart_that_fails_shows_why_and_leaves_nothing(bare_host: Host) -> None:
    bare_host.write(
        "/usr/local/sbin/git", '#!/bin/sh\ncase "$*" in *clone*) echo no clones today; exit 1; esac\n', 0o755
    )
    failed = bare_host.run(QUICKSTART, check=False)
    assert failed.returncode == 1
    assert "no clones today" in failed.stderr
    assert "ambiguous redirect" not in failed.stderr
    assert bare_host.run("ls", "-A", "/var/tmp").stdout == ""
    assert master(bare_host) == 0
