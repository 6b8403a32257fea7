"""Records that a loss of power or a person damaged: what is live stays, and nothing waits for a person."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path

import pytest

from reconciler.state.locks import FILES
from tests.e2e.adopted_host import MAIL, TYPO, UNREHEARSED, AdoptedHost
from tests.unit.system_calls import STRACE, calls, not_durable

SETTINGS = UNREHEARSED  # of the host that these tests share
STATE = "/var/lib/reconciler"
PHASE, JOURNAL = f"{STATE}/private/phase.json", f"{STATE}/private/journal.jsonl"
MANIFEST = f"$(readlink -f {STATE}/live/postfix)/../manifest.json"
DAMAGE = {
    "empty": ": >{file}",
    "truncated": "truncate -s 20 {file}",
    "noise": "head -c 300 /dev/urandom >{file}",
    "another type": "echo '[7]' >{file}",
}
ROUTE = "tables/transport"


def push_goes_live(adopted: AdoptedHost, name: str) -> None:
    push = adopted.push({"mail.yaml": MAIL, ROUTE: f"{name}.test  smtp:[127.0.0.1]:2525\n"}, name)
    assert push.accepted, push.text
    adopted.wait_for("Applied", push.oid)
    assert f"{name}.test" in adopted.host.read("/etc/postfix/transport")


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_phase_keeps_the_quarantine_and_halts_nothing(adopted: AdoptedHost, damage: str) -> None:
    bad = adopted.write_past_hook({"mail.yaml": TYPO}, damage)
    adopted.wait_for("Refused", bad)
    adopted.stop_daemon()
    adopted.sh(DAMAGE[damage].format(file=PHASE))
    assert "phase.json can't be read; the phase is taken from the journal" in adopted.reconciler("status").text

    adopted.start_daemon()

    assert adopted.told()["phase"] == {"name": "Refusing", "revision": bad}
    assert json.loads(adopted.host.read(PHASE)) == {"name": "Refusing", "revision": bad, "probation": None}
    assert len(adopted.log(bad)) == 1, "it was not tried again"
    push_goes_live(adopted, damage.replace(" ", "-"))


def test_a_damaged_phase_keeps_a_suspension(adopted: AdoptedHost) -> None:
    adopted.reconciler("suspend", "--why", "at work")
    adopted.sh(DAMAGE["empty"].format(file=PHASE))

    assert adopted.once().status == 75
    phase = adopted.status()["phase"]
    assert (phase["name"], phase["why"]) == ("Suspended", "at work")
    assert adopted.reconciler("resume").status == 0
    push_goes_live(adopted, "resumed")


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_manifest_of_what_is_live_is_written_anew_also_in_a_quarantine(
    adopted: AdoptedHost, damage: str
) -> None:
    push_goes_live(adopted, "before")
    bad = adopted.write_past_hook({"mail.yaml": TYPO}, f"manifest {damage}")
    adopted.wait_for("Refused", bad)
    number = adopted.status()["live"]["generation"]
    adopted.sh(DAMAGE[damage].format(file=MANIFEST))
    assert any("manifest.json can't be read" in limit for limit in adopted.status()["limits"])

    adopted.once()

    status = adopted.status()
    assert status["phase"] == {"name": "Refusing", "revision": bad}
    assert (status["live"]["generation"], status["drift"], adopted.limits()) == (number + 1, [], [])
    assert adopted.reconciler("rollback", str(number)).status == 1
    push_goes_live(adopted, f"after-{damage.replace(' ', '-')}")


ODD_LINES = {
    "noise": "\\x00\\xff{",
    "an intent of another type": '{"intent": [7]}',
    "an intent that names another place": (
        '{"intent": {"revision": "a", "source": "commit a", "before": "/etc/postfix", "newest": 0, "ran": true}}'
    ),
    "an intent that names no generation": (
        '{"intent": {"revision": "a", "source": "commit a", "before": "/var/lib/reconciler/generations/x",'
        ' "newest": 0, "ran": true}}'
    ),
    "a conclusion of another type": '{"conclusion": {"outcome": 7, "revision": [], "at": {}}}',
}


@pytest.mark.parametrize("odd", ODD_LINES)
def test_an_odd_line_in_the_journal_is_a_limit_and_changes_nothing(adopted: AdoptedHost, odd: str) -> None:
    live, generations = adopted.live(), adopted.generations()
    adopted.sh(f"printf '%b\\n' {shlex.quote(ODD_LINES[odd])} >>{JOURNAL}")

    assert adopted.once().status == 0

    assert (adopted.live(), adopted.generations()) == (live, generations)
    shown = adopted.limits()
    assert any("journal.jsonl" in limit and "ignored" in limit for limit in shown), shown
    push_goes_live(adopted, f"odd{[*ODD_LINES].index(odd)}")


def test_a_folder_in_place_of_the_live_link_is_moved_aside_and_told(adopted: AdoptedHost) -> None:
    before = adopted.live()

    replace = "cp -aL postfix copy && echo '# mine' >>copy/main.cf && rm postfix && mv -T copy postfix"
    adopted.signal_daemon(signal.SIGSTOP)  # else it restores the link before the folder is there
    adopted.sh(f"cd {STATE}/live && {replace}")
    adopted.signal_daemon(signal.SIGCONT)

    adopted.patiently(lambda: adopted.live() == before, "the link")
    assert adopted.answers()
    assert "# mine" in adopted.sh(f"cat {STATE}/live/postfix.found-*/main.cf")
    assert "led to no generation" in adopted.reconciler("log", "-3").text
    push_goes_live(adopted, "folder")


@pytest.mark.parametrize("daemon", [True, False])
def test_after_the_loss_of_the_state_directory_rescue_brings_mail_back(daemon: bool) -> None:
    with AdoptedHost(daemon=daemon, settings=UNREHEARSED) as adopted:
        push = adopted.push({ROUTE: "lost.test  smtp:[127.0.0.1]:2525\n"})
        assert adopted.once().status == 0

        adopted.sh(f"until rm -rf {STATE}/*; do :; done")

        for refused in (adopted.once("--adopt"), adopted.reconciler("rollback")):
            assert refused.status == 75, refused
            assert "run `reconciler rescue` to restore the files from before adoption" in refused.text
        shown = adopted.reconciler("status").text
        assert "live       nothing: the files are not there" in shown
        assert shown.endswith("\nnext: reconciler rescue\n")

        rescued = adopted.reconciler("rescue")

        assert rescued.status == 0, rescued
        assert adopted.host.send("a@client.test", "root@mx1.example.com").startswith("250 ")
        assert adopted.status()["phase"]["name"] == "Suspended"
        assert "dynamicmaps.cf" in adopted.sh("ls /etc/postfix/")
        adopted.reconciler("resume")
        assert adopted.once().status == 0
        assert "lost.test" in adopted.host.read("/etc/postfix/transport")
        assert adopted.status()["live"]["revision"] == push.oid
        assert adopted.limits() == []


def test_everything_is_on_disk_before_the_swap_and_before_a_pass_ends() -> None:
    without = (f"{STATE}/private/stage",)  # a stage counts only when it becomes a generation
    locks = [f"{STATE}/private/{name}" for name in FILES]
    with AdoptedHost(adopt=False, daemon=False) as adopted:
        for argv in (("once", "--adopt"), ("once",), ("rollback",)):
            if argv == ("once",):
                adopted.write_past_hook({ROUTE: "traced.test  relaylim:\n"}, "Traced")
            there = adopted.sh(f"find {STATE} /var/backups 2>/dev/null", check=False).splitlines()

            adopted.host.run(*STRACE, "-o", "/root/trace", "reconciler", *argv)

            made = list(calls(adopted.host.read("/root/trace")))
            assert any(call.name.startswith("rename") and call.paths[-1] == f"{STATE}/live/postfix" for call in made)
            assert not_durable(made, Path(STATE), there, without, locks) == []
            assert not_durable(made, Path("/var/backups/reconciler"), there) == []
