"""Programs beside Postfix on the ways that are no push: back, rescued, released, adopted anew, and on a full disk."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, UNREHEARSED, AdoptedHost
from tests.e2e.crash_driver import CrashDriver
from tests.e2e.mail.test_sender_rewriting import ON, ONE, SINK, STRANGER, TWO, arrived, push, with_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

RELEASE = (
    "from pathlib import Path; from reconciler.host.effects import Host;"
    "from reconciler.state.generations import Generations;"
    "Generations(Path('/var/lib/reconciler'), Path('/etc/postfix'), Host(), Path('/var/backups/reconciler')).release()"
)
PLACES = "/etc/default/postsrsd /etc/postsrsd.secret"


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost() as made:
        made.host.sink(SINK)
        with_secrets(made)
        yield made


def rewrites(adopted: AdoptedHost) -> bool:
    """Whether a stranger's mail that is forwarded gets another sender."""
    return arrived(adopted, STRANGER, "bea@hosted.example").sender.startswith("SRS0=")


def test_back_to_before_it_and_forward_to_it_again(adopted: AdoptedHost) -> None:
    own = adopted.sh(f"sha256sum {PLACES}")
    before = adopted.status()["live"]["generation"]
    push(adopted, ON.format(ONE), "On")
    on = adopted.status()["live"]["generation"]
    assert rewrites(adopted)

    assert adopted.reconciler("rollback", str(before)).status == 0
    assert not rewrites(adopted)
    assert adopted.sh(f"pgrep -x postsrsd; sha256sum {PLACES}", check=False) == own
    assert adopted.reconciler("rollback", str(on)).status == 0
    assert rewrites(adopted)
    assert adopted.reconciler("resume").status == 0
    push(adopted, ON.format(f"{TWO}, {ONE}"), "A new secret")
    assert adopted.reconciler("rollback", str(on)).status == 0
    assert adopted.sh("head -1 /etc/postsrsd.secret").startswith("new-secret"), "secrets are those of today"

    adopted.sh("pkill -KILL postsrsd")  # the host is suspended since it went back: nobody edits, but mail must go on
    adopted.host.wait_for(lambda: adopted.sh("pgrep -x postsrsd", check=False), what="PostSRSd")
    assert rewrites(adopted)

    assert adopted.reconciler("rescue").status == 0
    assert adopted.sh(f"pgrep -x postsrsd; sha256sum {PLACES}", check=False) == own
    assert adopted.reconciler("resume").status == 0
    push(adopted, ON.format(TWO), "Only the new")
    assert rewrites(adopted)


def test_released_it_goes_on_by_files_of_its_own_and_is_adopted_anew(adopted: AdoptedHost) -> None:
    push(adopted, ON.format(ONE), "On")
    adopted.stop_daemon()
    adopted.host.run(
        "/usr/bin/env",
        adopted.sh("readlink /usr/local/bin/reconciler").replace("bin/reconciler", "bin/python"),
        "-c",
        RELEASE,
    )
    assert adopted.sh(f"stat -c %F {PLACES} /etc/postfix").split("\n") == ["regular file", "regular file", "directory"]
    assert rewrites(adopted)

    assert adopted.reconciler("once", "--adopt").status == 0
    assert adopted.sh("stat -c %F /etc/default/postsrsd") == "symbolic link"
    adopted.start_daemon()
    assert rewrites(adopted)
    push(adopted, MAIL, "Off")
    assert not rewrites(adopted)


def test_on_a_full_disk_it_is_postponed_and_made_once_there_is_room() -> None:
    with AdoptedHost(settle="20ms", daemon=False, settings=UNREHEARSED) as adopted:
        adopted.sh("cd /etc/postfix && rm -rf *.proto makedefs.out sasl")
        with_secrets(adopted, daemon=False)
        crasher = CrashDriver(adopted)
        crasher.succeed("once")
        adopted.write_past_hook({"mail.yaml": ON.format(ONE)}, "On")
        crasher.save("off")
        whole = crasher.run("once")
        assert whole.status == 0
        for number in range(whole.effects.index("rename") + 1, len(whole.effects) + 1, 2):
            where = f"no room from effect {number} ({whole.effects[number - 1]})"
            crasher.restore()
            ran = crasher.run("once", at=number, when="lasting", error=errno.ENOSPC)
            assert ran.status in (0, 75, 4, 3), f"{where}: {ran.output}"
            crasher.answers(where)
            again = crasher.run("once", "main")
            assert again.status in (0, 75), f"{where}: {again.output}"
            crasher.run("once", "main")
            crasher.answers(where)
            assert (
                adopted.sh("pgrep -x postsrsd && postconf -h sender_canonical_maps").split()[-1]
                == "tcp:127.0.0.1:10001"
            )
