"""Whatever is in the repository, or wrong with it: a clear reason in `status`, and never a changed host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import CLONE, MAIL, REPOSITORY, UNREHEARSED, AdoptedHost, Files

if TYPE_CHECKING:
    from collections.abc import Iterator

PUSHES = 24  # more than the generations that are kept
PACKED = "git -c core.bigFileThreshold=1m"  # what is added is compressed once, and not for each push again
SETTINGS = UNREHEARSED  # of the host that these tests share
ROUTE = "old.test  smtp:[127.0.0.1]:2525\n"
BOMB = "b0: &b0 [x]\n" + "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]\n" for n in range(1, 30))
FILES: dict[str, tuple[Files, str]] = {
    "no mail.yaml": ({"mail.yaml": None}, "mail.yaml:1:1: mail.yaml is missing"),
    "a mail.yaml without a key": ({"mail.yaml": "# nothing\n"}, "mail.yaml:1:1: .*(no key|empty|nothing)"),
    "a mail.yaml that is a list": ({"mail.yaml": "- a\n"}, "mail.yaml:1:1: .*got a list"),
    "unreadable YAML": ({"mail.yaml": MAIL + "smart_host: [unclosed\n"}, r"mail.yaml:\d+:\d+: "),
    "an anchor bomb": ({"mail.yaml": BOMB}, r"mail.yaml:\d+:\d+: .*alias"),
    "a tag that runs code": (
        {"mail.yaml": MAIL + "x: !!python/object/apply:os.system [id]\n"},
        r"mail.yaml:5:\d+: .*tag",
    ),
    "a duplicate key": ({"mail.yaml": MAIL + "hostname: other.example.com\n"}, r"mail.yaml:5:1: .*hostname"),
    "bytes that are no text": ({"mail.yaml": "hostname: \x00\x01\n"}, r"mail.yaml:1:\d+: "),
    "a plain-text password": (
        {"mail.yaml": MAIL + "smart_host: {nexthop: '[relay.test]:587', username: u, password: hunter2}\n"},
        r"mail.yaml:5:\d+: .*reconciler secret set",
    ),
}
MACROS = "".join(f"  a{level}: {f'$a{level - 1}' * 10}\n" for level in range(1, 12))
BOMBS: dict[str, tuple[Files, str]] = {
    "a pattern that can match in many ways": (
        {"tables/x.pcre": "/" + r"\a" * 60 + "\n"}, r"tables/x.pcre:1:1: .*expected a key and a value"
    ),
    "macros that grow": ({"mail.yaml": MAIL + "  a0: x\n" + MACROS}, r"mail.yaml:\d+:\d+: .*names are expanded"),
    "comments among scalars": (
        {"flows/a.yaml": "".join(f'k{number}: "#" # allow x: y\n' for number in range(20_000))},
        "more than 10000 findings",
    ),
    "rows without a value": ({"tables/virtual": "x\n" * 400_000}, "more than 10000 findings"),
    "parameters that are unknown": (
        {"mail.yaml": MAIL + "".join(f"  k{number}: x\n" for number in range(1200))},
        "200 more findings are not listed",
    ),
    "a long list that many services may read": (
        {
            "mail.yaml": MAIL + f"  smtpd_client_event_limit_exceptions: {'127.0.0.1, ' * 22_000}\n",
            "master.d/x.cf": "".join(f"x{number} unix - - n - - smtp\n" for number in range(600)),
        },
        "services may read, is too large",
    ),
}  # fmt: skip
TREES = {
    "an empty tree": ("", "mail.yaml"),
    "a symbolic link": ("120000 blob {passwd}\tmail.yaml\n", '"mail.yaml" is a symbolic link'),
    "a symbolic link to a folder": ("{mail}120000 blob {passwd}\ttables\n", '"tables" is a symbolic link'),
    "a submodule": ("{mail}160000 commit {tip}\ttables\n", '"tables" is a submodule'),
    "a path with ..": ("{mail}040000 tree {tree}\t..\n", '".." is not a plain path name'),
    "a path named .git": ("{mail}040000 tree {tree}\t.git\n", '".git" is not a plain path name'),
}
MOVES = "cp {repo}/refs/heads/topic {repo}/main; mv {repo}/main {repo}/refs/heads/main"
# What breaks the repository, what mends it, and the reason that must be in `status` meanwhile.
TROUBLES = {
    "moved away": ("mv {repo} /srv/away", "mv /srv/away {repo}", "No such file or directory"),
    "an empty object": (
        "chmod u+w {object}; cp {object} /tmp/object; : >{object}",
        "cp /tmp/object {object}",
        "failed to parse loose object",
    ),
    "a truncated object": (
        "chmod u+w {object}; cp {object} /tmp/object; truncate -s 20 {object}",
        "cp /tmp/object {object}",
        "is truncated",
    ),
    "a missing object": ("mv {object} /tmp/object", "mv /tmp/object {object}", "is missing"),
    "garbage in packed-refs": (
        "mv {repo}/refs/heads/main /tmp/main; echo 'x y z garbage' >{repo}/packed-refs",
        "rm -f {repo}/packed-refs; mv /tmp/main {repo}/refs/heads/main",
        "the branch main does not exist",
    ),
    "garbage in the ref": (
        "cp {repo}/refs/heads/main /tmp/main; echo garbage >{repo}/refs/heads/main",
        "cp /tmp/main {repo}/refs/heads/main",
        "repository /srv/mail-state.git: ",
    ),
    # A thread of libgit2's that waits for a pipe stops the whole daemon. Each comes in one step, as its maker would.
    "a pipe for the ref": (
        "cp {repo}/refs/heads/main /srv/main; mkfifo {repo}/pipe; mv {repo}/pipe {repo}/refs/heads/main",
        "mv -f /srv/main {repo}/refs/heads/main",
        "/srv/mail-state.git/refs/heads/main: a pipe, socket or device is never opened; remove it",
    ),
    "a ref that names a pipe": (
        "mkfifo {repo}/refs/heads/pipe; echo 'ref: refs/heads/pipe' >{repo}/refs/heads/main",
        "rm {repo}/refs/heads/pipe",
        "/srv/mail-state.git/refs/heads/pipe: a pipe, socket or device is never opened; remove it",
    ),
    "a pipe for an object": (
        "mv {object} /srv/object; mkfifo {object}",
        "mv -f /srv/object {object}",
        ": a pipe, socket or device is never opened; remove it",
    ),
    "a pipe for the configuration": (
        "cp {repo}/config /srv/config; mkfifo {repo}/pipe; mv {repo}/pipe {repo}/config; " + MOVES,
        "mv -f /srv/config {repo}/config",
        "/srv/mail-state.git/config: a pipe, socket or device is never opened; remove it",
    ),
    "a device for the configuration": (
        "cp {repo}/config /srv/config; mknod {repo}/device c 5 0; mv {repo}/device {repo}/config; " + MOVES,
        "mv -f /srv/config {repo}/config",
        "/srv/mail-state.git/config: a pipe, socket or device is never opened; remove it",
    ),
    "a configuration that includes a pipe": (
        "cp -p {repo}/config /srv/config; mkfifo /srv/pipe; printf '[Include]\npath = /srv/pipe\n' >>{repo}/config; "
        + MOVES,
        "mv -f /srv/config {repo}/config",
        "includes another file, which is never read; remove [include]",
    ),
}


@pytest.fixture
def adopted(shared: AdoptedHost) -> Iterator[AdoptedHost]:
    """A site that is steady at its branch, whatever the test before did."""
    good = shared.tip()
    yield shared
    if shared.told()["phase"]["name"] != "Steady":
        shared.git("update-ref", "refs/heads/main", good)
        shared.wait_for_phase("Steady")


def refused(adopted: AdoptedHost, oid: str, before: str) -> str:
    """Wait until that commit is refused and quarantined with nothing changed; its findings, one a line."""
    status = adopted.wait_for("Refused", oid)
    assert status["phase"] == {"name": "Refusing", "revision": oid}
    assert adopted.live() == before
    assert adopted.answers()
    return "\n".join(
        f"{one['file']}:{one['line']}:{one['column']}: {one['text']}" for one in status["last"]["findings"]
    )


# ---- commits that are no desired state -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", FILES)
def test_a_commit_that_cannot_be_read_is_rejected_at_the_push_and_refused_past_it(
    adopted: AdoptedHost, case: str
) -> None:
    files, reason = FILES[case]
    before = adopted.live()
    push = adopted.push(files)
    assert not push.accepted
    assert_matches(reason, push.text)
    assert_matches(reason, refused(adopted, adopted.write_past_hook(files), before))


@pytest.mark.parametrize("case", TREES)
def test_a_tree_that_no_honest_git_makes_is_refused_with_the_path(adopted: AdoptedHost, case: str) -> None:
    entries, reason = TREES[case]
    before, names = adopted.live(), {"tip": adopted.tip(), "tree": adopted.git("rev-parse", "main:tables")}
    names |= {"passwd": adopted.blob("/etc/passwd"), "mail": f"100644 blob {adopted.blob(MAIL)}\tmail.yaml\n"}
    oid = adopted.write_tree_past_hook(entries.format(**names))
    assert_matches(reason, refused(adopted, oid, before))
    assert "root:x:0" not in adopted.daemon_log()


def test_a_file_of_200_megabytes_is_refused_without_being_read(adopted: AdoptedHost) -> None:
    before = adopted.live()
    adopted.commit({})
    adopted.sh(f"cd {CLONE} && truncate -s 200M tables/huge && {PACKED} add tables/huge && git commit -qm Huge")
    push = adopted.push()
    assert not push.accepted
    assert '"tables/huge" holds 200 MiB; the limit is 192 MiB' in push.text
    adopted.git("fetch", "--quiet", CLONE, "+HEAD:refs/heads/main")
    assert_matches("holds 200 MiB", refused(adopted, push.oid, before))
    assert peak(adopted) < 150, "its bytes were never in memory"


def test_a_commit_message_of_100_megabytes_is_refused_without_being_read(adopted: AdoptedHost) -> None:
    before = adopted.live()
    adopted.commit({})
    adopted.sh("head -c 100M /dev/zero | tr '\\0' a >/tmp/message")
    large = adopted.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-F", "/tmp/message", where=CLONE)
    adopted.git("reset", "--quiet", "--hard", large, where=CLONE)
    push = adopted.push()
    assert not push.accepted
    assert f"the object {large} holds 100 MiB; the limit for a commit" in push.text
    adopted.git("fetch", "--quiet", CLONE, "+HEAD:refs/heads/main")
    assert_matches(f"{large} holds 100 MiB", refused(adopted, large, before))
    adopted.git("commit", "--quiet", "--allow-empty", "--message", "On top", where=CLONE)
    adopted.git("fetch", "--quiet", CLONE, "+HEAD:refs/heads/main")
    assert_matches(f"{large} holds 100 MiB", refused(adopted, adopted.tip(), before))
    assert peak(adopted) < 150, "it was never in memory"


def test_one_content_under_many_names_counts_each_time(adopted: AdoptedHost) -> None:
    before = adopted.live()
    adopted.commit({})
    made = "truncate -s 100M tables/a && cp tables/a tables/b"
    adopted.sh(f"cd {CLONE} && {made} && {PACKED} add . && git commit -qm Same")
    push = adopted.push()
    assert not push.accepted
    assert "the files of this commit hold 200 MiB together; the limit is 192 MiB" in push.text
    adopted.git("fetch", "--quiet", CLONE, "+HEAD:refs/heads/main")
    assert_matches("hold 200 MiB together", refused(adopted, push.oid, before))
    assert peak(adopted) < 150, "its bytes were never in memory"


@pytest.mark.parametrize("case", BOMBS)
def test_no_text_stops_the_daemon(adopted: AdoptedHost, case: str) -> None:
    files, reason = BOMBS[case]
    before = adopted.live()
    push = adopted.push(files)
    assert not push.accepted
    assert_matches(reason, push.text)
    assert len(push.text) < 200_000
    oid = adopted.write_past_hook(files)
    assert_matches(reason, refused(adopted, oid, before))
    assert len(adopted.told()["last"]["findings"]) <= 1001


def peak(adopted: AdoptedHost) -> int:
    """The most memory that the daemon ever had, in MiB."""
    assert adopted.daemon is not None
    return int(adopted.sh("grep VmHWM /proc/$(pgrep -f 'reconciler run' | head -1)/status").split()[1]) >> 10


# ---- trouble of the repository itself --------------------------------------------------------------------------------


def name_by_main(adopted: AdoptedHost, oid: str) -> None:
    """Have the branch name a commit in one step, as git would: an empty ref is a trouble of its own for a moment."""
    adopted.sh(f"echo {oid} >{REPOSITORY}/main && mv {REPOSITORY}/main {REPOSITORY}/refs/heads/main")


@pytest.mark.parametrize("case", TROUBLES)
def test_a_repository_in_trouble_is_retried_with_its_reason_and_the_host_stays_as_it_is(
    adopted: AdoptedHost, case: str
) -> None:
    breaks, mends, reason = TROUBLES[case]
    oid = adopted.commit({"tables/transport": f"{ROUTE}{case.replace(' ', '')}.test  relaylim:\n"})
    adopted.git("fetch", "--quiet", CLONE, "+HEAD:refs/heads/topic")
    blob = adopted.git("rev-parse", "topic:tables/transport")
    names = {"repo": REPOSITORY, "object": f"{REPOSITORY}/objects/{blob[:2]}/{blob[2:]}"}
    before = adopted.live()
    adopted.sh(breaks.format(**names))
    if "object" in case:
        name_by_main(adopted, oid)
    adopted.host.wait_for(lambda: reason in adopted.told()["phase"].get("reason", ""), what=f"the reason: {reason}")
    assert adopted.told()["phase"]["name"] == "Retrying"
    assert reason in adopted.reconciler("status").text
    assert adopted.live() == before
    assert adopted.answers()
    adopted.sh(mends.format(**names))
    name_by_main(adopted, oid)
    adopted.wait_for("Applied", oid)
    assert adopted.told()["phase"] == {"name": "Steady"}


def test_a_damaged_commit_between_the_live_one_and_the_tip_is_tried_again_after_growing_pauses(
    adopted: AdoptedHost,
) -> None:
    damaged = adopted.commit({"tables/transport": f"{ROUTE}damaged.test  relaylim:\n"})
    adopted.git("commit", "--quiet", "--allow-empty", "--message", "On top", where=CLONE)
    adopted.git("fetch", "--quiet", CLONE, "+HEAD:refs/heads/topic")
    tip, file = adopted.git("rev-parse", "topic"), f"{REPOSITORY}/objects/{damaged[:2]}/{damaged[2:]}"
    adopted.sh(f"chmod u+w {file}; cp {file} /tmp/object; : >{file}")
    name_by_main(adopted, tip)
    adopted.patiently(lambda: adopted.told()["phase"].get("attempts", 0) > 1, "another attempt")
    assert adopted.told()["phase"]["revision"] == tip
    assert [line["revision"] for line in adopted.log("-2")].count(tip) == 1, "it is on record once"
    adopted.sh(f"cp /tmp/object {file}.new && mv {file}.new {file}")
    name_by_main(adopted, tip)
    adopted.wait_for("Applied", tip)


def test_a_ref_that_somebody_has_locked_delays_no_mail_and_only_the_note_is_lost(adopted: AdoptedHost) -> None:
    locked = f"{REPOSITORY}/refs/notes/reconciler.lock"
    adopted.sh(f"mkdir -p {REPOSITORY}/refs/notes && touch {locked}")
    push = adopted.push({"tables/transport": f"{ROUTE}locked.test  relaylim:\n"})
    assert "live and verified" in push.text
    assert adopted.sh("postmap -q locked.test lmdb:/etc/postfix/transport") == "relaylim:"
    adopted.sh(f"rm {locked}")
    again = adopted.push({"tables/transport": f"{ROUTE}unlocked.test  relaylim:\n"})
    assert "live and verified" in adopted.notes(again.oid)


def test_a_locked_branch_refuses_the_push_and_the_next_one_goes_live(adopted: AdoptedHost) -> None:
    before = adopted.live()
    adopted.sh(f"touch {REPOSITORY}/refs/heads/main.lock")
    push = adopted.push({"tables/transport": f"{ROUTE}branch.test  relaylim:\n"})
    assert not push.accepted
    assert adopted.live() == before
    adopted.sh(f"rm {REPOSITORY}/refs/heads/main.lock")
    assert "live and verified" in adopted.push().text


# ---- a repository that belongs to somebody else ----------------------------------------------------------------------


def test_pushes_by_git_with_their_notes_and_a_gc_leave_nothing_that_belongs_to_root() -> None:
    # Of a rehearsal nothing is in the repository.
    with AdoptedHost(owner="git", settle="20ms", settings=UNREHEARSED) as adopted:
        script = f"""
            cd {CLONE} && git config user.name Ada && git config user.email ada@example.com
            for n in $(seq {PUSHES}); do
                echo "p$n.test  relaylim:" >>tables/transport && git commit -qam "Push $n" || exit 1
                git push -q origin HEAD:main >/tmp/push 2>&1 || {{ cat /tmp/push; exit 1; }}
                grep -q 'live and verified' /tmp/push || {{ cat /tmp/push; exit 1; }}
            done
        """
        done = adopted.host.run("bash", "-c", script, user="git", timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert adopted.sh(f"postmap -q p{PUSHES}.test lmdb:/etc/postfix/transport") == "relaylim:"
        adopted.git("gc", "--quiet", "--prune=now")
        assert adopted.sh(f"find {REPOSITORY} -not -user git") == ""
        assert adopted.sh(f"find {REPOSITORY} -not -group git") == ""
        assert "No errors" not in adopted.git("fsck", "--strict")
        noted = adopted.git("log", "--notes=reconciler", "--format=%H %N", "main").split("\n\n")
        assert sum("live and verified" in one for one in noted) >= PUSHES
        assert len(adopted.generations()) == 20, "the last twenty are kept"
        assert "live and verified" in adopted.push({"mail.yaml": MAIL + "  smtpd_helo_required: yes\n"}).text


def assert_matches(pattern: str, text: str) -> None:
    """Fail with the whole text when a line of it does not match."""
    assert re.search(pattern, text), text


# ---- a repository of root's that others may write to -----------------------------------------------------------------

MARK = "/tmp/mark"


def test_a_repository_of_roots_that_a_group_may_write_to_runs_nothing_of_theirs_as_root() -> None:
    with AdoptedHost(daemon=False) as adopted:
        adopted.sh(
            f"groupadd mailadm && useradd -G mailadm mary && cd {REPOSITORY} && "
            "git config core.sharedRepository group && chgrp -R mailadm . && chmod -R g+rwX ."
        )
        adopted.start_daemon()
        program = "printf '#!/bin/sh\\nid -u >>/tmp/mark\\n'"
        adopted.sh(
            f"cd {REPOSITORY} && mkdir mine && for hook in reference-transaction post-commit; do"
            f" {program} >hooks/$hook; {program} >mine/$hook; chmod 755 hooks/$hook mine/$hook; done && cp config c &&"
            " git config -f c core.hooksPath $PWD/mine && git config -f c core.fsmonitor $PWD/mine/post-commit &&"
            " git config -f c core.editor $PWD/mine/post-commit && mv c config",
            user="mary",
        )
        oid = adopted.write_past_hook({"tables/transport": f"{ROUTE}shared.test  relaylim:\n"})
        adopted.sh(f"rm -f {MARK}")  # that was the operator's own git
        adopted.wait_for("Applied", oid)
        adopted.wait_for_limit("no note and no commit is written")
        assert adopted.notes(oid) == "" or "no note found" in adopted.notes(oid)
        refused = adopted.reconciler("set", "smtpd_helo_required", "yes")
        assert refused.status == 75
        assert "chown -R git:git" in refused.text
        assert adopted.sh(f"cat {MARK}", check=False).startswith("cat: ")
        adopted.sh(f"chown -R mary:mailadm {REPOSITORY}")
        assert adopted.reconciler("set", "smtpd_helo_required", "yes").status == 0
        adopted.patiently(lambda: adopted.limits() == [], "no limit any more")
        assert adopted.sh(f"cat {MARK}", check=False).startswith("cat: "), "no hook runs at all, as its owner either"
        assert adopted.sh(f"find {REPOSITORY} -user root") == ""
