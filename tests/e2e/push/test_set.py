"""set and smart-host: commits made on the host, checked as pushes are and live like them, or none at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import CLONE, MAIL, REPOSITORY, UNREHEARSED, AdoptedHost
from tests.e2e.push.test_secrets import certificate

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = UNREHEARSED  # of the host that these tests share
NEXTHOP = "[127.0.0.1]:2587"


@pytest.fixture
def adopted(shared: AdoptedHost) -> AdoptedHost:
    """A site that is steady, whatever the test before did."""
    if not shared.told():
        shared.start_daemon()
    assert shared.push({"mail.yaml": MAIL + "  # ours\n  biff: no   # quiet\n"}).accepted
    return shared


def test_set_makes_a_commit_that_goes_live_and_keeps_the_layout(adopted: AdoptedHost) -> None:
    ran = adopted.host.run("reconciler", "set", "biff", "yes", env={"SUDO_USER": "ada"})
    assert "~ biff  no -> yes" in ran.stdout
    assert "committed to main, in mail.yaml\nlive and verified" in ran.stdout
    assert adopted.postconf("biff") == "yes"
    assert adopted.git("show", "main:mail.yaml") == MAIL + "  # ours\n  biff: yes   # quiet"
    assert adopted.git("log", "-1", "--format=%an: %s") == "ada: Set biff to yes"
    assert adopted.status()["live"]["revision"] == adopted.tip()
    assert "live and verified" in adopted.notes(adopted.tip())


def test_set_changes_what_clients_are_told(adopted: AdoptedHost) -> None:
    assert adopted.reconciler("set", "smtpd_banner", "$myhostname ESMTP: hello # all").status == 0
    assert adopted.host.dialogue(["QUIT"])[0] == "220 mx1.example.com ESMTP: hello # all"
    assert adopted.reconciler("set", "smtpd_banner", "--default").status == 0
    assert adopted.host.dialogue(["QUIT"])[0] == "220 mx1.example.com ESMTP Postfix"


@pytest.mark.parametrize(
    "arguments",
    [
        ("set", "biff", "no"),
        ("set", "queue_run_delay", "300s"),  # Postfix's default
        ("set", "myhostname", "mx1.example.com"),  # what hostname says
        ("set", "queue_run_delay", "--default"),
        ("smart-host", "off"),
    ],
)
def test_no_commit_is_made_when_nothing_would_change(adopted: AdoptedHost, arguments: tuple[str, ...]) -> None:
    before, live = adopted.tip(), adopted.live()
    ran = adopted.reconciler(*arguments)
    assert (ran.status, ran.text) == (0, "nothing would change: no commit was made\n")
    assert (adopted.tip(), adopted.live()) == (before, live)


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (
            ("set", "smtpd_sender_restrictions", "reject_unknown_sender_domian"),
            1,
            "mail.yaml:7:30: unknown restriction",
        ),
        (("set", "message_size_limt", "3"), 1, "did you mean message_size_limit?"),
        (("set", "virtual_alias_maps", "table:nothing"), 1, "nothing"),
        (("set", "smtpd_sasl_type", "--defalt"), 64, "--defalt"),
        (("set", "biff=yes"), 64, "two words: biff yes"),
        (("set", "biff"), 64, "either VALUE or --default"),
        (("set", "biff", "a\nmyhostname = x"), 64, "one line"),
        (("smart-host", "set", "[127.0.0.1:25"), 1, "not a nexthop"),
        (("smart-host", "set", NEXTHOP, "--username", "u"), 1, "`reconciler secret set smart_host`"),
        (("smart-host", "set", ""), 64, "NEXTHOP"),
        (("smart-host", "set", NEXTHOP, "--preset", "mailchannels"), 64, "NEXTHOP"),
        (("smart-host", "set", NEXTHOP, "--password-stdin"), 64, "needs --username"),
        (("smart-host", "set", NEXTHOP, "--username", "u", "--password-stdin"), 64, "no password"),
        (("smart-host", "set", "--preset", "mailchannels"), 1, "takes mail only after a login"),
    ],
)
def test_what_a_push_would_be_refused_for_makes_no_commit(
    adopted: AdoptedHost, arguments: tuple[str, ...], status: int, told: str
) -> None:
    before, live = adopted.tip(), adopted.live()
    ran = adopted.reconciler(*arguments)
    assert (ran.status, told in ran.text) == (status, True), ran.text
    assert (adopted.tip(), adopted.live()) == (before, live)
    assert not adopted.sh("ls /var/lib/reconciler/private/stage | grep check- || true"), "no stage is left behind"


def test_only_root_may_commit(adopted: AdoptedHost) -> None:
    before = adopted.tip()
    for command in ("set biff yes", "set biff --default", "smart-host set [127.0.0.1]:25", "smart-host off"):
        assert adopted.reconciler(*command.split(), user="nobody").status == 77
    assert adopted.tip() == before


def test_what_breaks_only_in_a_rehearsal_makes_no_commit() -> None:
    with AdoptedHost() as adopted:
        before = adopted.tip()
        ran = adopted.reconciler("set", "smtpd_recipient_restrictions", "check_client_access static:{nonsense}, reject")
        assert ran.status == 1, ran.text
        assert adopted.tip() == before


def test_without_a_daemon_set_makes_the_pass_itself(adopted: AdoptedHost) -> None:
    adopted.stop_daemon()
    ran = adopted.reconciler("set", "biff", "yes")
    assert (ran.status, "live and verified" in ran.text) == (0, True), ran.text
    assert adopted.postconf("biff") == "yes"
    assert adopted.reconciler("once").text.startswith("nothing to do")


def test_while_suspended_set_commits_and_says_that_it_waits(adopted: AdoptedHost) -> None:
    assert adopted.reconciler("suspend", "--why", "moving disks").status == 0
    ran = adopted.reconciler("set", "biff", "yes")
    assert (ran.status, "moving disks" in ran.text) == (75, True), ran.text
    assert adopted.postconf("biff") == "no"
    assert adopted.reconciler("resume").status == 0
    adopted.wait_for("Applied", adopted.tip())
    assert adopted.postconf("biff") == "yes"


def test_commits_that_race_all_land(adopted: AdoptedHost) -> None:
    names = {"queue_run_delay": "301s", "minimal_backoff_time": "302s", "maximal_queue_lifetime": "4d"}
    racing = [adopted.host.start_preloaded("reconciler", "set", name, value) for name, value in names.items()]
    for one in racing:
        one.wait(180)
    adopted.host.wait_for(lambda: adopted.told()["live"]["revision"] == adopted.tip(), what="the last of them")
    assert {name: adopted.postconf(name) for name in names} == names
    assert adopted.git("rev-list", "--count", "main~3..main") == "3"


def test_a_repository_of_somebody_else_stays_theirs_and_a_hosts_own_file_is_changed() -> None:
    own = "parameters:\n  biff: no\n"
    with AdoptedHost(owner="git") as adopted:
        assert adopted.push({"hosts/mx1.example.com.yaml": own}).accepted
        assert adopted.reconciler("set", "biff", "yes").status == 0
        assert adopted.git("show", "main:hosts/mx1.example.com.yaml") == own.replace("no", "yes").strip()
        assert adopted.sh(f"find {REPOSITORY} ! -user git") == ""
        assert adopted.push({"hosts/mx1.example.com.yaml": None}).accepted, "the next push still works"
        assert adopted.postconf("biff") == adopted.sh("postconf -dh biff")


# ---- the smart host --------------------------------------------------------------------------------------------------


def test_a_smart_host_is_set_with_a_login_and_mail_goes_there_until_it_is_off(tmp_path: Path) -> None:
    with AdoptedHost() as adopted:
        adopted.host.sink(2587, tls=certificate(tmp_path))
        secrets = adopted.seal({"smart_host": "pass word\n"})
        adopted.sh(f"rm -r {CLONE}/secrets")
        assert adopted.push(secrets).accepted
        before = adopted.git("show", "main:mail.yaml")

        ran = adopted.reconciler("smart-host", "set", NEXTHOP, "--username", "someone")
        assert ran.status == 0, ran.text
        assert "pass word" not in ran.text + adopted.git("log", "-p")
        assert adopted.host.send("a@mx1.example.com", "b@far.test").startswith("250 ")
        adopted.host.wait_for(lambda: adopted.host.received(2587), what="the message at the smart host")
        (message,) = adopted.host.received(2587)
        assert (message.login, message.tls) == ("someone", True)
        assert adopted.reconciler("smart-host", "set", NEXTHOP, "--username", "someone").text.startswith(
            "nothing would"
        )

        typed = ("smart-host", "set", NEXTHOP, "--username", "someone", "--password-stdin")
        ran = adopted.reconciler(*typed, typed="another word\n")
        assert ran.status == 0, ran.text
        assert "another word" not in ran.text + adopted.git("log", "-p")
        assert "another word" in adopted.sh("cat /etc/postfix/sasl_passwd")
        assert adopted.git("show", "--name-only", "--format=", "main").split() == ["secrets/smart_host.age"]

        ran = adopted.reconciler("smart-host", "off")
        assert (ran.status, adopted.postconf("relayhost"), adopted.git("show", "main:mail.yaml")) == (0, "", before)
        assert "No such file" in adopted.sh("cat /etc/postfix/sasl_passwd", check=False)


def test_a_smart_host_that_a_custom_parameter_prevails_over_is_said_so(adopted: AdoptedHost) -> None:
    adopted.host.sink(2588)
    assert adopted.reconciler("set", "relayhost", "[127.0.0.1]:2588").status == 0
    ran = adopted.reconciler("smart-host", "set", "[127.0.0.1]:2589")
    assert ran.text.splitlines() == [
        "nothing would change: no commit was made",
        "  parameters.relayhost (mail.yaml:7) prevails over smart_host (mail.yaml:9)",
    ]
    assert adopted.reconciler("set", "relayhost", "--default").status == 0
