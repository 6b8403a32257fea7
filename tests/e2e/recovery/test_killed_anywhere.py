"""Killed by SIGKILL at every single effect on the host, with a real Postfix running: old or new whole, and mail up.

Every point is one run that dies right before or right after its nth effect, and then the next run of reconciler on what
that left. Effects are counted first, so that a new one is tried as soon as it exists. A rehearsal is one effect, which
changes nothing on the host: an adoption and its first apply die before and after each, and everything else runs
without. An adoption and its first apply also try all effects that make a stage; a rollback and others begin where they
differ, at its rename or at the swap.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, REPOSITORY, UNREHEARSED, AdoptedHost
from tests.e2e.crash_driver import (
    CANNOT_START,
    IN_THE_WAY,
    KILLED,
    NEW,
    RELOAD,
    RESTART,
    SAVED,
    CrashDriver,
    crash_driver,
    has_no_service,
    is_routed,
    is_set,
    points,
    rehearsals,
    survive,
    told,
)  # fmt: skip
from tests.e2e.mail.test_sender_rewriting import ON, ONE, TWO, with_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

ADOPT = ("once", "--adopt")
KEPT_ON = "refs/heads/drift/mx1.example.com"


@contextmanager
def fresh(settings: str = UNREHEARSED) -> Iterator[CrashDriver]:
    """Yield a host that is not adopted, whose Postfix runs with nearly what the branch asks for: a reload will do."""
    with AdoptedHost(settle="20ms", daemon=False, settings=settings) as adopted:
        adopted.write_past_hook({"tables/transport": NEW, "files/templates/a.txt": "deployed\n"}, "The new state")
        adopted.sh(
            "cp -a /etc/postfix/ /root/plain && rm /etc/postfix && mv /root/plain /etc/postfix &&"
            " cd /etc/postfix && rm -rf *.proto post* makedefs.out sasl && mkdir foreign && echo x >foreign/file &&"
            " mkdir theirs && echo x >theirs/file && chown -R nobody: theirs &&"
            " rm -r /var/lib/reconciler && mkdir -m 711 /var/lib/reconciler && postfix reload"
        )
        crasher = CrashDriver(adopted)
        crasher.save("fresh")
        yield crasher


@pytest.fixture(scope="module")
def _adopted() -> Iterator[CrashDriver]:
    with crash_driver() as crasher:
        yield crasher


@pytest.fixture
def unshared() -> Iterator[CrashDriver]:
    """A host like `adopted` for one test, which lasts so long that another process should take it."""
    with crash_driver() as crasher:
        crasher.save("adopted")
        yield crasher


@pytest.fixture
def adopted(_adopted: CrashDriver) -> CrashDriver:
    """A host that was adopted, with its first generation live and the branch where that came from."""
    crasher = _adopted
    crasher.adopted.git("update-ref", "refs/heads/main", crasher.first)
    if (crasher.host.root / SAVED[1:] / "adopted").exists():
        crasher.base = f"{SAVED}/adopted"
        crasher.restore(RESTART)
    crasher.save("adopted")
    return crasher


def test_an_adoption_and_its_first_apply_killed_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    with fresh() as crasher:
        effects = _effects_of_adoption(crasher)
        tried = points(effects)
        ends = _survive_adoption(crasher, tried)
    told(capsys, "adoption and apply", tried, ends)
    assert any(name == "as before" for name in ends)
    assert any(name != "as before" for name in ends)


def test_an_adoption_and_its_first_apply_killed_around_their_rehearsals(capsys: pytest.CaptureFixture[str]) -> None:
    with fresh(settings="") as crasher:
        effects = _effects_of_adoption(crasher)
        tried = [(number, when) for number in rehearsals(effects) for when in ("before", "after")]
        ends = _survive_adoption(crasher, tried)
    told(capsys, "rehearsals of adoption and apply", tried, ends)
    assert len(ends) >= 2, "the host's own in the beginning, a generation in the end"


def _effects_of_adoption(crasher: CrashDriver) -> list[str]:
    whole = crasher.run(*ADOPT)
    assert whole.status == 0, whole.output
    assert {"exchange", "symlink", "rename", "append", "signal"} <= set(whole.effects), "a real adoption and reload"
    return whole.effects


def _survive_adoption(crasher: CrashDriver, tried: list[tuple[int, str]]) -> dict[str, int]:
    routed = is_routed(crasher.host)
    theirs = "cat /etc/postfix/theirs/file /etc/postfix/templates/a.txt && stat -Lc %U /etc/postfix/theirs"
    good = "x\ndeployed\nnobody"
    return survive(crasher, ADOPT, tried, lambda: routed() and crasher.adopted.sh(theirs) == good, {0})


def test_an_apply_that_restarts_postfix_killed_anywhere_from_the_swap_on(
    adopted: CrashDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    adopted.adopted.write_past_hook({"mail.yaml": MAIL + "  inet_interfaces: 127.0.0.1\n"}, "Needs a restart")
    whole = adopted.run("once")
    assert whole.status == 0, whole.output
    assert {"signal", "act"} <= set(whole.effects), "a stop and a start"
    tried = points(whole.effects, since="symlink")
    good = is_set(adopted.host, "inet_interfaces", "127.0.0.1")
    ends = survive(adopted, ("once",), tried, good, {0}, RESTART)
    told(capsys, "apply with a restart", tried, ends)


def test_what_recovery_alone_leaves_runs_as_the_old_generation_says(adopted: CrashDriver) -> None:
    adopted.adopted.write_past_hook({"mail.yaml": MAIL + "  inet_interfaces: 127.0.0.1\n"}, "Needs a restart")
    whole = adopted.run("once")
    restarted = whole.effects.index("act", whole.effects.index("symlink")) + 1
    adopted.restore(RESTART)
    assert adopted.run("once", at=restarted, when="after").status == KILLED
    with pytest.raises(ConnectionRefusedError):
        adopted.host.dialogue(["QUIT"], address="::1")
    adopted.adopted.git("update-ref", "-d", "refs/heads/main")
    assert adopted.run("once").status == 1, "there is no branch to go to"
    assert adopted.whole().startswith("1-")
    adopted.host.wait_for(lambda: adopted.host.dialogue(["QUIT"], address="::1")[0].startswith("220 "))


def test_an_undo_killed_anywhere(unshared: CrashDriver, capsys: pytest.CaptureFixture[str]) -> None:
    unshared.host.run("mkdir", "-p", f"/var/spool/postfix/pid/inet.{IN_THE_WAY}")
    unshared.adopted.write_past_hook({"mail.yaml": CANNOT_START}, "This smtpd can't lock its file")
    whole = unshared.run("once")
    assert whole.status == 3, whole.output
    assert whole.effects.count("symlink") == 2, "there and back"
    tried = points(whole.effects, since="symlink")
    good = has_no_service(unshared.host)
    ends = survive(unshared, ("once",), tried, good, {1, 3}, RESTART)
    told(capsys, "apply and undo", tried, ends)
    assert len(ends) == 1, "only ever the old generation"


def test_a_rollback_killed_anywhere(adopted: CrashDriver, capsys: pytest.CaptureFixture[str]) -> None:
    adopted.adopted.write_past_hook({"tables/transport": NEW}, "The new state")
    adopted.succeed("once")
    adopted.save("two")
    argv = ("rollback", "1")
    whole = adopted.run(*argv)
    assert whole.status == 0, whole.output
    tried = points(whole.effects, since="rename")
    routed = is_routed(adopted.host)
    ends = survive(adopted, argv, tried, lambda: not routed(), {0})
    told(capsys, "rollback", tried, ends)
    assert len(ends) >= 2, "the old in the beginning, the new in the end"


@pytest.mark.parametrize("cut", ["rename", "symlink", "signal"], ids=["placed", "swapped", "stopped"])
def test_a_recovery_killed_anywhere(adopted: CrashDriver, capsys: pytest.CaptureFixture[str], cut: str) -> None:
    oid = adopted.adopted.write_past_hook({"mail.yaml": MAIL + "  inet_interfaces: 127.0.0.1\n"}, "Needs a restart")
    whole = adopted.run("once")
    at = len(whole.effects) - whole.effects[::-1].index(cut)
    tried = 0
    status = KILLED
    while status == KILLED:  # until it has no effect left to die at
        tried += 1
        adopted.restore(RESTART)
        adopted.adopted.git("update-ref", "refs/heads/main", oid)
        assert adopted.run("once", at=at, when="after").status == KILLED
        adopted.adopted.git("update-ref", "-d", "refs/heads/main")  # recovery alone, with nowhere to go
        status = adopted.run("once", at=tried).status
        assert adopted.run("once").status == 1, "there is no branch to go to"
        assert adopted.whole().startswith("1-")
        adopted.answers(f"before effect {tried} of the recovery")
    adopted.adopted.git("update-ref", "refs/heads/main", oid)
    adopted.succeed("once")
    assert is_set(adopted.host, "inet_interfaces", "127.0.0.1")()
    with capsys.disabled():
        print(f"\n    recovery of what was {cut}: killed at {tried - 1} points")
    assert tried > 4


def test_a_hand_edit_that_becomes_a_commit_is_kept_once_wherever_that_is_killed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with crash_driver(UNREHEARSED + '[drift]\npolicy = "commit"\n') as crasher:
        adopted = crasher.adopted
        crasher.run("once")
        adopted.sh("postconf -e smtpd_banner=by-hand; touch -d '1 minute ago' /etc/postfix/main.cf")
        crasher.save("edited")
        whole = crasher.run("once")
        assert whole.status == 0, whole.output
        tried = points(whole.effects)
        for number, when in tried:
            where = f"{when} effect {number}"
            crasher.restore()
            adopted.git("update-ref", "-d", KEPT_ON)
            assert crasher.run("once", at=number, when=when).status == KILLED, where
            on_disk = adopted.sh("grep -l by-hand /var/lib/reconciler/generations/*/postfix/main.cf", check=False)
            assert on_disk or kept(adopted), f"{where}: lost"
            for _ in range(2):
                assert crasher.run("once").status in (0, 75), where
            crasher.whole()
            crasher.answers(where)
            assert adopted.postconf("smtpd_banner") != "by-hand", where
            assert kept(adopted) == 1, where
        told(capsys, "a hand edit that is kept", tried, {})


def test_a_way_back_from_a_probation_killed_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    manual = '[confirm]\nmode = "manual"\ntime = "1s"\n'
    with crash_driver(UNREHEARSED + manual) as crasher:
        adopted = crasher.adopted
        adopted.write_past_hook({"tables/transport": NEW}, "Nobody confirms it")
        crasher.succeed("once")
        assert is_routed(adopted.host)()
        adopted.sh("sleep 1")
        crasher.save("provisional")
        whole = crasher.run("run", until="Refusing")
        assert not is_routed(adopted.host)(), whole.output
        tried = points(whole.effects, since="rename")
        ends: dict[str, int] = {}
        for number, when in tried:
            where = f"{when} effect {number} ({whole.effects[number - 1]})"
            crasher.restore()
            ran = crasher.run("run", at=number, when=when, until="Refusing")
            assert ran.status == KILLED or number > len(ran.effects) - 2, f"{where}: {ran}"
            ends[crasher.live()] = ends.get(crasher.live(), 0) + 1
            crasher.run("run", until="Refusing")
            crasher.whole()
            crasher.answers(where)
            assert not is_routed(adopted.host)(), where
            assert crasher.run("once").status == 1, f"{where}: it is quarantined"
        told(capsys, "the way back from a probation", tried, ends)
        assert len(ends) > 1, "the new in the beginning, the old in the end"


PLACES = "/etc/default/postsrsd /etc/postsrsd.secret"


class _Rewriting(CrashDriver):
    """Puts PostSRSd's places and its process back too; an answer is a recipient that is not refused."""

    def save(self, base: str) -> None:
        super().save(base)
        self.adopted.sh(f"cp -a --parents {PLACES} {self.base}; pgrep -x postsrsd >{self.base}/running || true")

    def restore(self, activate: str = RELOAD) -> None:
        stop = "service postsrsd stop >/dev/null; pkill -KILL -x postsrsd; rm -f /run/postsrsd.pid"
        back = f"{stop}; rm -f {PLACES}; cp -a {self.base}/etc/* /etc"
        start = f"[ ! -s {self.base}/running ] || service postsrsd start >/dev/null"
        super().restore(f"{back}; {start}; {activate}")

    def left(self) -> str:
        shown = f"sha256sum {PLACES}; stat -c '%N %A %U' {PLACES}; pgrep -x postsrsd | wc -l; true"
        return super().left() + self.adopted.sh(shown)

    def answers(self, where: str) -> None:
        super().answers(where)
        said = self.host.dialogue(
            ["HELO x.test", "MAIL FROM:<ann@outside.example>", f"RCPT TO:<root@{self.host.name}>"]
        )
        assert said[3].startswith("250 "), f"{where}: {said}"

    def rewrites(self) -> bool:
        """Whether PostSRSd runs and Postfix asks it."""
        asked = self.host.run("postconf", "-h", "sender_canonical_maps").stdout.strip()
        runs = self.host.run("pgrep", "-x", "postsrsd", check=False).stdout.strip()
        assert bool(asked) == bool(runs)
        return bool(runs)


def test_a_companion_that_is_turned_on_changed_and_turned_off_killed_anywhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with AdoptedHost(settle="20ms", daemon=False, settings=UNREHEARSED) as adopted:
        adopted.sh("cd /etc/postfix && rm -rf *.proto makedefs.out sasl")
        with_secrets(adopted, daemon=False)
        crasher = _Rewriting(adopted)
        crasher.succeed("once")
        own = adopted.sh(f"sha256sum {PLACES}; stat -c %F {PLACES}")
        for what, mail in (("on", ON.format(ONE)), ("changed", ON.format(f"{TWO}, {ONE}")), ("off", MAIL)):
            adopted.write_past_hook({"mail.yaml": mail}, what)
            crasher.save(f"before-{what}")
            whole = crasher.run("once")
            assert whole.status == 0, whole.output
            tried = points(whole.effects, since="rename")
            ends = survive(crasher, ("once",), tried, lambda: crasher.rewrites() == (what != "off"), {0})  # noqa: B023
            told(capsys, f"a companion that is turned {what}", tried, ends)
        assert adopted.sh(f"sha256sum {PLACES}; stat -c %F {PLACES}") == own
        assert adopted.sh("ls /var/lib/reconciler/live /var/lib/reconciler/rescue | grep srs || true") == ""


class _LockedDown(CrashDriver):
    """Has the kernel, too, keep to what was live when the host was remembered."""

    def restore(self, activate: str = RELOAD) -> None:
        """Make the host, and the kernel's tables, what they were."""
        super().restore(activate)
        rules = "/var/lib/reconciler/live/nftables/reconciler.nft"
        self.adopted.sh(f"nft flush ruleset; [ ! -e {rules} ] || nft --file {rules}")

    def left(self) -> str:
        """Return that, and what the kernel has."""
        return super().left() + self.adopted.sh("nft list ruleset")

    def locked(self) -> str:
        """The ports that only Postfix connects to; empty without a lockdown."""
        return self.adopted.sh(
            "nft list chain inet reconciler output 2>/dev/null | grep -oP '(?<=dport ).*(?= tcp)'; true"
        )


def test_a_lockdown_that_is_turned_on_changed_and_turned_off_killed_anywhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with AdoptedHost(settle="20ms", daemon=False, settings=UNREHEARSED) as adopted:
        adopted.sh("cd /etc/postfix && rm -rf *.proto makedefs.out sasl")
        crasher = _LockedDown(adopted)
        for what, said, ports in (
            ("on", "{}", "25"),
            ("changed", "{ports: [25, 587]}", "{ 25, 587 }"),
            ("off", "", ""),
        ):
            adopted.write_past_hook({"mail.yaml": MAIL + f"egress: {said}\n" * bool(said)}, what)
            crasher.save(f"before-{what}")
            whole = crasher.run("once")
            assert whole.status == 0, whole.output
            tried = points(whole.effects, since="rename")
            ends = survive(crasher, ("once",), tried, lambda: crasher.locked() == ports, {0})  # noqa: B023
            told(capsys, f"a lockdown that is turned {what}", tried, ends)
        assert (
            adopted.sh("nft list ruleset; ls /var/lib/reconciler/live /var/lib/reconciler/rescue | grep nft || true")
            == ""
        )


def kept(adopted: AdoptedHost) -> int:
    """How many commits on the branch of hand edits hold this one."""
    done = adopted.host.run("git", "-C", REPOSITORY, "log", "-S", "by-hand", "--format=%h", KEPT_ON, check=False)
    return len(done.stdout.split())


# ---- a disk that is full ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 64], ids=["no room at all", "room for the journal only"])
def test_on_a_full_disk_a_pass_is_postponed_leaves_nothing_behind_and_is_made_once_there_is_room(room: int) -> None:
    large = NEW + "".join(f"d{number}.test  relaylim:\n" for number in range(20_000))
    with AdoptedHost(adopt=False, daemon=False) as adopted:
        state = "/var/lib/reconciler"
        adopted.sh(f"mkdir -p {state} && mount -t tmpfs -o size=4m,mode=711 tmpfs {state}")
        assert adopted.reconciler("once", "--adopt").status == 0
        before, generations, master = adopted.live(), adopted.generations(), adopted.master()
        oid = adopted.write_past_hook({"tables/transport": large}, "Needs room")
        adopted.sh(f"dd if=/dev/zero of={state}/filler bs=4k; truncate -s -{room}k {state}/filler", check=False)
        ran = adopted.reconciler("once")
        assert ran.status == 75
        assert "No space left on device" in ran.text
        assert (adopted.live(), adopted.generations(), adopted.master()) == (before, generations, master)
        assert adopted.sh(f"find {state}/private/stage -mindepth 1") == ""
        assert adopted.answers()
        adopted.start_daemon()
        if room:
            assert "No space left on device" in adopted.wait_for_phase("Retrying")["phase"]["reason"]
        adopted.sh(f"rm {state}/filler")
        adopted.wait_for("Applied", oid)
        assert is_routed(adopted.host, "d19999.test")()
        assert adopted.told()["phase"] == {"name": "Steady"}
