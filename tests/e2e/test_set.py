"""set and smart-host: commits made on the host, checked as pushes are and live like them, or none at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import CLONE, MAIL, REPOSITORY, Site
from tests.e2e.test_secrets import certificate

if TYPE_CHECKING:
    from pathlib import Path

NEXTHOP = "[127.0.0.1]:2587"


@pytest.fixture
def site(shared: Site) -> Site:
    """A site that is steady, whatever the test before did."""
    if not shared.told():
        shared.start_daemon()
    assert shared.push({"mail.yaml": MAIL + "  # ours\n  biff: no   # quiet\n"}).accepted
    return shared


def test_set_makes_a_commit_that_goes_live_and_keeps_the_layout(site: Site) -> None:
    ran = site.host.run("env", "SUDO_USER=ada", "reconciler", "set", "biff", "yes")
    assert "~ biff  no -> yes" in ran.stdout
    assert "committed to main, in mail.yaml\nlive and verified" in ran.stdout
    assert site.postconf("biff") == "yes"
    assert site.git("show", "main:mail.yaml") == MAIL + "  # ours\n  biff: yes   # quiet"
    assert site.git("log", "-1", "--format=%an: %s") == "ada: Set biff to yes"
    assert site.status()["live"]["revision"] == site.tip()
    assert "live and verified" in site.notes(site.tip())


def test_set_changes_what_clients_are_told(site: Site) -> None:
    assert site.reconciler("set", "smtpd_banner", "$myhostname ESMTP: hello # all").status == 0
    assert site.host.dialogue(["QUIT"])[0] == "220 mx1.example.com ESMTP: hello # all"
    assert site.reconciler("set", "smtpd_banner", "--default").status == 0
    assert site.host.dialogue(["QUIT"])[0] == "220 mx1.example.com ESMTP Postfix"


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
def test_no_commit_is_made_when_nothing_would_change(site: Site, arguments: tuple[str, ...]) -> None:
    before, live = site.tip(), site.live()
    ran = site.reconciler(*arguments)
    assert (ran.status, ran.text) == (0, "nothing would change: no commit was made\n")
    assert (site.tip(), site.live()) == (before, live)


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
        (("set", "biff"), 64, "a VALUE or --default"),
        (("set", "biff", "a\nmyhostname = x"), 64, "one line"),
        (("smart-host", "set", "[127.0.0.1:25"), 1, "not a nexthop"),
        (("smart-host", "set", NEXTHOP, "--username", "u"), 1, "`reconciler secret set smart_host`"),
        (("smart-host", "set", ""), 64, "NEXTHOP"),
    ],
)
def test_what_a_push_would_be_refused_for_makes_no_commit(
    site: Site, arguments: tuple[str, ...], status: int, told: str
) -> None:
    before, live = site.tip(), site.live()
    ran = site.reconciler(*arguments)
    assert (ran.status, told in ran.text) == (status, True), ran.text
    assert (site.tip(), site.live()) == (before, live)
    assert not site.sh("ls /var/lib/reconciler/private/stage | grep check- || true"), "no stage is left behind"


def test_only_root_may_commit(site: Site) -> None:
    before = site.tip()
    for command in ("set biff yes", "set biff --default", "smart-host set [127.0.0.1]:25", "smart-host off"):
        assert site.reconciler(*command.split(), user="nobody").status == 77
    assert site.tip() == before


def test_what_breaks_only_in_a_rehearsal_makes_no_commit(site: Site) -> None:
    before = site.tip()
    ran = site.reconciler("set", "smtpd_recipient_restrictions", "check_client_access static:{nonsense}, reject")
    assert ran.status == 1, ran.text
    assert site.tip() == before


def test_without_a_daemon_set_makes_the_pass_itself(site: Site) -> None:
    site.stop_daemon()
    ran = site.reconciler("set", "biff", "yes")
    assert (ran.status, "live and verified" in ran.text) == (0, True), ran.text
    assert site.postconf("biff") == "yes"
    assert site.reconciler("once").text.startswith("nothing to do")


def test_while_suspended_set_commits_and_says_that_it_waits(site: Site) -> None:
    assert site.reconciler("suspend", "--why", "moving disks").status == 0
    ran = site.reconciler("set", "biff", "yes")
    assert (ran.status, "moving disks" in ran.text) == (75, True), ran.text
    assert site.postconf("biff") == "no"
    assert site.reconciler("resume").status == 0
    site.wait_for("Applied", site.tip())
    assert site.postconf("biff") == "yes"


def test_commits_that_race_all_land(site: Site) -> None:
    names = {"queue_run_delay": "301s", "minimal_backoff_time": "302s", "maximal_queue_lifetime": "4d"}
    site.sh("".join(f"reconciler set {name} {value} & " for name, value in names.items()) + "wait")
    site.host.wait_for(lambda: site.told()["live"]["revision"] == site.tip(), what="the last of them")
    assert {name: site.postconf(name) for name in names} == names
    assert site.git("rev-list", "--count", "main~3..main") == "3"


def test_a_repository_of_somebody_else_stays_theirs_and_a_hosts_own_file_is_changed() -> None:
    own = "parameters:\n  biff: no\n"
    with Site(owner="git") as site:
        assert site.push({"hosts/mx1.example.com.yaml": own}).accepted
        assert site.reconciler("set", "biff", "yes").status == 0
        assert site.git("show", "main:hosts/mx1.example.com.yaml") == own.replace("no", "yes").strip()
        assert site.sh(f"find {REPOSITORY} ! -user git") == ""
        assert site.push({"hosts/mx1.example.com.yaml": None}).accepted, "the next push still works"
        assert site.postconf("biff") == site.sh("postconf -dh biff")


# ---- the smart host --------------------------------------------------------------------------------------------------


def test_a_smart_host_is_set_with_a_login_and_mail_goes_there_until_it_is_off(tmp_path: Path) -> None:
    with Site() as site:
        site.host.sink(2587, tls=certificate(tmp_path))
        secrets = site.seal({"smart_host": "pass word\n"})
        site.sh(f"rm -r {CLONE}/secrets")
        assert site.push(secrets).accepted
        before = site.git("show", "main:mail.yaml")

        ran = site.reconciler("smart-host", "set", NEXTHOP, "--username", "someone")
        assert ran.status == 0, ran.text
        assert "pass word" not in ran.text + site.git("log", "-p")
        assert site.host.send("a@mx1.example.com", "b@far.test").startswith("250 ")
        site.host.wait_for(lambda: site.host.received(2587), what="the message at the smart host")
        (message,) = site.host.received(2587)
        assert (message.login, message.tls) == ("someone", True)
        assert site.reconciler("smart-host", "set", NEXTHOP, "--username", "someone").text.startswith("nothing would")

        ran = site.reconciler("smart-host", "off")
        assert (ran.status, site.postconf("relayhost"), site.git("show", "main:mail.yaml")) == (0, "", before)
        assert "No such file" in site.sh("cat /etc/postfix/sasl_passwd", check=False)


def test_a_smart_host_that_a_custom_parameter_prevails_over_is_said_so(site: Site) -> None:
    site.host.sink(2588)
    assert site.reconciler("set", "relayhost", "[127.0.0.1]:2588").status == 0
    ran = site.reconciler("smart-host", "set", "[127.0.0.1]:2589")
    assert ran.text.splitlines() == [
        "nothing would change: no commit was made",
        "  parameters.relayhost (mail.yaml:7) prevails over smart_host (mail.yaml:9)",
    ]
    assert site.reconciler("set", "relayhost", "--default").status == 0
