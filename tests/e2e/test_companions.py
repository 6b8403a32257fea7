"""Programs beside Postfix on the ways that are no push: back, rescued, released, adopted anew, and on a full disk."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from tests.e2e.crasher import Crasher
from tests.e2e.site import MAIL, Site
from tests.e2e.test_sender_rewriting import ON, ONE, SINK, STRANGER, TWO, arrived, push, with_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

RELEASE = (
    "from pathlib import Path; from reconciler.host.effects import Host;"
    "from reconciler.state.generations import Generations;"
    "Generations(Path('/var/lib/reconciler'), Path('/etc/postfix'), Host()).release()"
)
PLACES = "/etc/default/postsrsd /etc/postsrsd.secret"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as made:
        made.host.sink(SINK)
        with_secrets(made)
        yield made


def rewrites(site: Site) -> bool:
    """Whether a stranger's mail that is forwarded gets another sender."""
    return arrived(site, STRANGER, "bea@hosted.example").sender.startswith("SRS0=")


def test_back_to_before_it_and_forward_to_it_again(site: Site) -> None:
    own = site.sh(f"sha256sum {PLACES}")
    before = site.status()["live"]["generation"]
    push(site, ON.format(ONE), "On")
    on = site.status()["live"]["generation"]
    assert rewrites(site)

    assert site.reconciler("rollback", str(before)).status == 0
    assert not rewrites(site)
    assert site.sh(f"pgrep -x postsrsd; sha256sum {PLACES}", check=False) == own
    assert site.reconciler("rollback", str(on)).status == 0
    assert rewrites(site)
    assert site.reconciler("resume").status == 0
    push(site, ON.format(f"{TWO}, {ONE}"), "A new secret")
    assert site.reconciler("rollback", str(on)).status == 0
    assert site.sh("head -1 /etc/postsrsd.secret").startswith("new-secret"), "secrets are those of today"

    site.sh("pkill -KILL postsrsd")  # the host is suspended since it went back: nobody edits, but mail must go on
    site.host.wait_for(lambda: site.sh("pgrep -x postsrsd", check=False), what="PostSRSd")
    assert rewrites(site)

    assert site.reconciler("rescue").status == 0
    assert site.sh(f"pgrep -x postsrsd; sha256sum {PLACES}", check=False) == own
    assert site.reconciler("resume").status == 0
    push(site, ON.format(TWO), "Only the new")
    assert rewrites(site)


def test_released_it_goes_on_by_files_of_its_own_and_is_adopted_anew(site: Site) -> None:
    push(site, ON.format(ONE), "On")
    site.stop_daemon()
    site.host.run(
        "/usr/bin/env",
        site.sh("readlink /usr/local/bin/reconciler").replace("bin/reconciler", "bin/python"),
        "-c",
        RELEASE,
    )
    assert site.sh(f"stat -c %F {PLACES} /etc/postfix").split("\n") == ["regular file", "regular file", "directory"]
    assert rewrites(site)

    assert site.reconciler("once", "--adopt").status == 0
    assert site.sh("stat -c %F /etc/default/postsrsd") == "symbolic link"
    site.start_daemon()
    assert rewrites(site)
    push(site, MAIL, "Off")
    assert not rewrites(site)


def test_on_a_full_disk_it_is_postponed_and_made_once_there_is_room() -> None:
    with Site(settle="20ms", daemon=False) as site:
        site.sh("cd /etc/postfix && rm -rf *.proto makedefs.out sasl")
        with_secrets(site, daemon=False)
        crasher = Crasher(site)
        assert crasher.run("once").status == 0
        site.write_past_hook({"mail.yaml": ON.format(ONE)}, "On")
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
                site.sh("pgrep -x postsrsd && postconf -h sender_canonical_maps").split()[-1] == "tcp:127.0.0.1:10001"
            )
