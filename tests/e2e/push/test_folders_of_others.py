"""A folder in /etc/postfix that belongs to another user: Postfix reads it live, and it gives that user nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, UNREHEARSED, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSES = 12
LISTS = "/etc/postfix/lists"
ACCESS = f"{LISTS}/access"
# A process of smtpd reads a texthash once, so that each client gets a new one.
ASKING = MAIL + "  max_use: 1\n"
ASKING += f"  smtpd_recipient_restrictions: check_recipient_access texthash:{ACCESS}, reject_unauth_destination\n"
RELEASE = (
    "from pathlib import Path; from reconciler.host.effects import Host;"
    "from reconciler.state.generations import Generations;"
    "Generations(Path('/var/lib/reconciler'), Path('/etc/postfix'), Host(), Path('/var/backups/reconciler')).release()"
)
# Each step as fast as it can: a file becomes a link to a file of root's, a folder becomes a link to a folder of root's.
# The pauses leave the processor to the passes, which would last several times as long.
FLIP = f"""
import os, time
os.chdir({LISTS!r})
while True:
    for real, to in (("victim", "/etc/victim"), ("inner", "/etc/victims")) * 50:
        os.rename(real, "." + real)
        os.symlink(to, real)
        os.utime("busy")
        os.unlink(real)
        os.rename("." + real, real)
    time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    """A host that was adopted, and is managed, while the user eve keeps replacing names in her folder."""
    with AdoptedHost(state={"mail.yaml": ASKING}, settings=UNREHEARSED, adopt=False, daemon=False) as host:
        host.sh("useradd --system eve; install -d -o eve -g eve /etc/postfix/lists /etc/postfix/lists/inner")
        edit(host, "550 first")
        host.sh(
            f"cd {LISTS}; touch victim busy inner/victim; chown -R eve: .; truncate -s 300M sparse; chown eve sparse; "
            "mkdir /etc/victims; for file in /etc/victim /etc/victims/victim; do"
            "  echo secret >$file; chmod 600 $file; done; touch /etc/postfix/large; chown eve /etc/postfix/large; "
            "truncate -s 300M /etc/postfix/large"
        )
        flipping = host.host.start("python3", "-c", FLIP, user="eve")
        ran = host.reconciler("once", "--adopt")
        assert ran.status == 0, ran.text
        host.start_daemon()
        yield host
        assert flipping.poll() is None, "eve stopped trying"


def edit(adopted: AdoptedHost, answer: str) -> None:
    """Have eve write what Postfix answers for one recipient."""
    adopted.sh(f"cd /; echo 'one@mx1.example.com {answer}' >{ACCESS}; touch -d '-1 minute' {ACCESS}", user="eve")


def answer(adopted: AdoptedHost) -> str:
    """What Postfix answers for that recipient."""
    return adopted.host.send("me@example.org", "one@mx1.example.com")


def edited(adopted: AdoptedHost, text: str) -> None:
    """Have eve edit her file, and wait for Postfix to answer by it."""
    edit(adopted, f"550 {text}")
    adopted.patiently(lambda: text in answer(adopted), f"{text} in force")


def victims(adopted: AdoptedHost) -> str:
    """Owner, mode and name of each file that eve would like to have."""
    return adopted.sh("stat -c '%U %a %n' /etc/victim /etc/victims /etc/victims/*")


UNTOUCHED = "root 600 /etc/victim\nroot 755 /etc/victims\nroot 600 /etc/victims/victim"


def test_adoption_keeps_the_folder_where_postfix_looks_for_it(adopted: AdoptedHost) -> None:
    assert "first" in answer(adopted)
    assert adopted.sh(f"stat -Lc '%U %a' {LISTS}") == "eve 755"
    edited(adopted, "second")


def test_replaced_names_give_away_nothing_in_many_passes(adopted: AdoptedHost) -> None:
    for number in range(PASSES):
        push = adopted.push({"tables/transport": f"a{number}.test  smtp:[127.0.0.1]:2525\n"})
        assert "live and verified" in push.text, push.text
        assert victims(adopted) == UNTOUCHED
    edited(adopted, "third")
    assert adopted.told()["phase"]["name"] == "Steady"


def test_sparse_files_take_no_room_in_the_generations(adopted: AdoptedHost) -> None:
    assert adopted.sh("stat -Lc %s /etc/postfix/lists/sparse /etc/postfix/large") == "314572800\n314572800"
    assert int(adopted.sh("du -sm /var/lib/reconciler | cut -f1")) < 100


def test_a_rollback_reads_the_folder_of_today(adopted: AdoptedHost) -> None:
    edited(adopted, "fourth")
    assert adopted.reconciler("rollback").status == 0
    assert "fourth" in answer(adopted)
    edited(adopted, "fifth")
    assert victims(adopted) == UNTOUCHED


def test_a_folder_that_is_given_away_later_is_set_apart_by_the_next_pass(adopted: AdoptedHost) -> None:
    adopted.sh("mkdir /etc/postfix/later && echo a >/etc/postfix/later/a && chown -R eve: /etc/postfix/later")
    folder = adopted.sh("stat -Lc %i /etc/postfix/later")
    push = adopted.push({"tables/transport": "later.test  smtp:[127.0.0.1]:2525\n"})
    assert "live and verified" in push.text, push.text
    assert adopted.sh("stat -Lc %i /etc/postfix/later; stat -c %F /etc/postfix/later") == f"{folder}\nsymbolic link"


def test_a_rescue_and_a_release_give_the_folder_back(adopted: AdoptedHost) -> None:
    folder = adopted.sh(f"stat -Lc %i {LISTS}")
    adopted.stop_daemon()
    assert adopted.reconciler("rescue").status == 0
    assert adopted.sh(f"stat -Lc %i {LISTS}") == folder
    adopted.host.run(sys.executable, "-c", RELEASE)
    assert adopted.sh(f"stat -c '%F %i %U' {LISTS}; stat -c %F /etc/postfix") == f"directory {folder} eve\ndirectory"
    assert adopted.sh("cat /etc/postfix/later/a") == "a", (
        "at its place, or by its link if /var is a file system of its own"
    )
    assert "cannot access" in adopted.sh("ls -d /etc/postfix.others", check=False)
    edit(adopted, "550 sixth")
    assert "sixth" in adopted.sh(f"postmap -q one@mx1.example.com texthash:{ACCESS}")
    assert victims(adopted) == UNTOUCHED
