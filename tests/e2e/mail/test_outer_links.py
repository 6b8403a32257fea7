"""Files of the commit that other programs find outside of Postfix's folder, by the message that they decide about."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, PROVEN, SETTINGS, UNREHEARSED, AdoptedHost
from tests.e2e.crash_driver import KILLED, RELOAD, CrashDriver, points, survive, told

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED = '[files]\nfolders = ["/etc/policyd"]\n'
LINK = "/etc/policyd/checks"
SOURCE = "files/policyd/checks"
NAMED = f"{MAIL}  header_checks: regexp:{LINK}\n"
LINKED = f"{NAMED}files:\n  policyd/checks: {{link: {LINK}}}\n"
KEPT = f"sha256sum <{LINK} && stat -c '%F %a %U:%G %Y' {LINK}"
OLD = (
    "touch -d @500000000 /etc/policyd/checks && chown daemon:mail /etc/policyd/checks && chmod 644 /etc/policyd/checks"
)


def checks(word: str) -> str:
    return f"/^Subject: number/ PREPEND X-Checked: {word}\n"


def checked(adopted: AdoptedHost) -> str:
    """What the header says that the file decides about, in a message that arrived."""
    number = time.monotonic_ns()
    adopted.sh(f"printf 'Subject: number {number}\\n\\nHello.\\n' | sendmail root")

    def arrived() -> str:
        box = adopted.sh("cat /var/mail/root 2>/dev/null || true")
        return next((one for one in box.split("\nFrom ") if f"number {number}" in one), "")

    message = adopted.host.wait_for(arrived, what="the message")
    return next((line.split(": ")[1] for line in message.splitlines() if line.startswith("X-Checked: ")), "")


@pytest.fixture
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost(settings=ALLOWED) as made:
        made.sh(f"mkdir /etc/policyd && cat >{LINK} <<'END'\n{checks('by the host')}END\n{OLD}")
        assert made.push({"mail.yaml": NAMED}, "What the host has").accepted
        yield made


def test_a_file_outside_is_used_rolled_back_and_gives_its_place_back(adopted: AdoptedHost) -> None:
    before = adopted.sh(KEPT)
    assert checked(adopted) == "by the host"

    first = adopted.push({"mail.yaml": LINKED, SOURCE: checks("first")}, "Checks of the commit")
    assert first.accepted, first.text
    assert f"{LINK}" in first.text
    assert "link to policyd/checks" in first.text
    assert "decides what other programs read" in first.text
    assert checked(adopted) == "first"
    assert adopted.sh(f"readlink {LINK}") == "/var/lib/reconciler/live/postfix/policyd/checks"
    assert adopted.reconciler("plan").status == 0

    second = adopted.push({SOURCE: checks("second")})
    assert second.accepted, second.text
    assert checked(adopted) == "second"

    ran = adopted.reconciler("rollback")
    assert ran.status == 0, ran.text
    assert checked(adopted) == "first"

    gone = adopted.push({"mail.yaml": NAMED, SOURCE: None}, "The host's own again")
    assert gone.accepted, gone.text
    assert adopted.sh(KEPT) == before
    assert checked(adopted) == "by the host"
    assert adopted.sh("ls -A /etc/policyd; ls /var/lib/reconciler/rescue") == "checks\npostfix"


def test_a_rescue_gives_the_place_back_byte_for_byte(adopted: AdoptedHost) -> None:
    before = adopted.sh(KEPT)
    assert adopted.push({"mail.yaml": LINKED, SOURCE: checks("first")}).accepted
    adopted.stop_daemon()
    adopted.sh(f"sed -i s/first/edited/ {LINK}")  # which puts a file in the place of the link

    ran = adopted.reconciler("rescue")

    assert ran.status == 0, ran.text
    assert adopted.sh(KEPT) == before
    assert "edited" in adopted.sh("cat /var/lib/reconciler/generations/*/postfix/policyd/checks"), "the evidence"


def test_the_candidate_is_rehearsed_with_its_own_file(adopted: AdoptedHost) -> None:
    files = {"mail.yaml": LINKED, SOURCE: checks("first")}
    assert adopted.push(files).accepted

    rejecting = "/^Subject:/ REJECT none of this\n"
    refused = adopted.push({**files, SOURCE: rejecting, "flows/in.yaml": FLOW}, "Rejects what a flow expects")

    assert not refused.accepted
    assert "none of this" in refused.text, refused.text
    assert checked(adopted) == "first"


FLOW = """\
mail comes in:
  to: root@mx1.example.com
  expect: accepted
"""


@pytest.mark.parametrize("policy", ["revert", "commit"])
def test_an_edit_outside_is_drift_like_any_other(policy: str) -> None:
    with AdoptedHost(settings=f'{ALLOWED}[drift]\npolicy = "{policy}"\n{UNREHEARSED}') as adopted:
        adopted.sh("mkdir /etc/policyd")
        pushed = adopted.push({"mail.yaml": LINKED, SOURCE: checks("first")})
        assert pushed.accepted, pushed.text

        adopted.sh(f"sed -i s/first/edited/ {LINK}")  # which puts a file in the place of the link
        adopted.host.wait_for(lambda: adopted.sh(f"readlink {LINK}", check=False) != "", what="the link back")
        adopted.host.wait_for(lambda: "first" in adopted.host.read(f"/etc/postfix/{SOURCE[6:]}"), what="the file back")
        assert checked(adopted) == "first"
        assert "edited" in adopted.sh("cat /var/lib/reconciler/generations/*/postfix/policyd/checks")
        if policy == "commit":
            kept = ("show", f"drift/mx1.example.com:{SOURCE}")
            adopted.host.wait_for(lambda: "edited" in adopted.git(*kept, check=False), what="the commit of the edit")

        adopted.sh(f"ln -sfn /etc/hostname {LINK}")
        adopted.host.wait_for(lambda: "live" in adopted.sh(f"readlink {LINK}"), what="the link back")
        adopted.sh(f"rm {LINK}")
        adopted.host.wait_for(lambda: adopted.sh(f"readlink {LINK}", check=False) != "", what="the link back")


def test_what_the_settings_do_not_allow_is_refused_with_the_setting(adopted: AdoptedHost) -> None:
    def refused(link: str, words: str) -> None:
        files = f"{MAIL}files:\n  policyd/checks: {{link: {link}}}\n"
        push = adopted.push({"mail.yaml": files, SOURCE: checks("first")})
        assert not push.accepted
        assert words in push.text
        assert "mail.yaml:6:" in push.text

    refused("/etc/cron.d/job", "files.folders in the settings of this host does not allow it")
    refused("/etc/policyd/below/checks", "allowed are /etc/policyd")
    adopted.sh("chmod 775 /etc/policyd && chgrp mail /etc/policyd")
    refused(LINK, "another user may change /etc/policyd")
    adopted.sh("mv /etc/policyd /etc/moved && ln -s moved /etc/policyd")
    refused(LINK, "/etc/policyd is a link to moved")
    adopted.sh("rm /etc/policyd")
    refused(LINK, "/etc/policyd is missing")
    adopted.sh(f"mkdir -p {LINK}")
    refused(LINK, "is no file; move that away")
    assert adopted.sh("ls -A /etc/cron.d | grep -c job || true") == "0"


def test_a_folder_that_is_allowed_no_more_has_pushes_wait_until_the_link_goes(adopted: AdoptedHost) -> None:
    assert adopted.push({"mail.yaml": LINKED, SOURCE: checks("first")}).accepted
    adopted.stop_daemon()
    adopted.host.write("/etc/reconciler.toml", PROVEN + SETTINGS.format(settle="100ms") + UNREHEARSED)
    adopted.start_daemon()

    waits = adopted.push({SOURCE: checks("second")})
    assert "files.folders" in waits.text, waits.text
    assert not waits.accepted, waits.text
    assert checked(adopted) == "first"

    goes = adopted.push({"mail.yaml": NAMED, SOURCE: None})
    assert goes.accepted, goes.text
    assert checked(adopted) == "by the host"


def test_a_folder_that_makes_root_can_not_be_allowed(adopted: AdoptedHost) -> None:
    text = PROVEN + SETTINGS.format(settle="100ms") + '[files]\nfolders = ["/etc/cron.d"]\n'
    adopted.host.write("/etc/reconciler.toml", text)

    ran = adopted.reconciler("status")

    assert ran.status != 0
    assert "root acts on what is in /etc/cron.d" in ran.text


# ---- killed ----------------------------------------------------------------------------------------------------------


class _Outside(CrashDriver):
    """Puts the folder outside back too, and tells what is in it."""

    def save(self, base: str) -> None:
        """Remember it as well."""
        super().save(base)
        self.adopted.sh(f"cp -a /etc/policyd {self.base}")

    def restore(self, activate: str = RELOAD) -> None:
        """Make it what it was."""
        super().restore(f"rm -rf /etc/policyd; cp -a {self.base}/policyd /etc; {activate}")

    def left(self) -> str:
        """Return that, and what is in the folder."""
        return super().left() + self.adopted.sh("ls -lA /etc/policyd; cat /etc/policyd/*")

    def whole(self) -> str:
        """Fail unless the folder has what the live generation says, and nothing else."""
        live = super().whole()
        manifest = json.loads(self.adopted.sh("cat $(readlink -f /etc/postfix)/../manifest.json"))
        (path,) = manifest.get("links") or [""]
        word = self.adopted.sh(f"cat /etc/postfix/{path}") if path else checks("by the host").strip()
        assert self.adopted.sh(f"cat {LINK}; ls -A /etc/policyd") == f"{word}\nchecks"
        return live


def recovers_alone(crasher: CrashDriver, tried: list[tuple[int, str]]) -> None:
    """Fail unless recovery without a branch to go to leaves old or new whole."""
    tip = crasher.adopted.tip()
    for number, when in tried:
        crasher.restore()
        assert crasher.run("once", at=number, when=when).status == KILLED
        crasher.adopted.git("update-ref", "-d", "refs/heads/main")
        crasher.run("once")
        crasher.whole()
        crasher.answers(f"recovered from {when} effect {number}")
        crasher.adopted.git("update-ref", "refs/heads/main", tip)
    crasher.succeed("once")


def test_a_link_that_comes_is_led_elsewhere_and_goes_killed_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    with AdoptedHost(settle="20ms", daemon=False, settings=ALLOWED + UNREHEARSED) as adopted:
        adopted.sh("cd /etc/postfix && rm -rf *.proto makedefs.out sasl")
        adopted.sh(f"mkdir /etc/policyd && cat >{LINK} <<'END'\n{checks('by the host')}END\n{OLD}")
        before = adopted.sh(KEPT)
        crasher = _Outside(adopted)
        elsewhere = LINKED.replace("policyd/checks:", "policyd/other:")
        for what, mail, word in (
            ("comes", LINKED, "first"), ("is led elsewhere", elsewhere, "other"), ("goes", NAMED, "by the host"),
        ):  # fmt: skip
            files = {"mail.yaml": mail, SOURCE: checks("first"), "files/policyd/other": checks("other")}
            adopted.write_past_hook(files, what)
            crasher.save(what.replace(" ", "-"))
            whole = crasher.run("once")
            assert whole.status == 0, whole.output
            tried = points(whole.effects, since="rename")
            ends = survive(crasher, ("once",), tried, lambda: word in adopted.sh(f"cat {LINK}"), {0})  # noqa: B023
            told(capsys, f"a link that {what}", tried, ends)
            recovers_alone(crasher, tried)
        assert adopted.sh(KEPT) == before
