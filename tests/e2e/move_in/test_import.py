"""A host that runs already moves in by `reconciler import` and `reconciler once --adopt`, and mail notices nothing."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.hosts import Host
from tests.e2e.move_in.shaped import imported, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY, CLONE = "/srv/mail-state.git", "/root/clone"
MAIN = """\
# The office's server, by Ada.
compatibility_level = 3.6
myhostname = mx1.example.com
mydestination = $myhostname, localhost
mynetworks = 127.0.0.0/8   [::1]/128
inet_interfaces = all

# Partners and machines
transport_maps = hash:/etc/postfix/transport
virtual_alias_domains = example.org
virtual_alias_maps = hash:/etc/postfix/virtual,
    # the old ones
    hash:/etc/postfix/maps/old
smtpd_client_restrictions = check_client_access cidr:/etc/postfix/clients
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd
smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache
smtpd_tls_cert_file = /etc/ssl/gone.pem
alias_maps = hash:/etc/aliases
delay_warning_time = 4h
notify_classes = resource
virtual_alias_expansion_limit = 100
"""
FILES = {
    "transport": "# waits for its server\nwaits.test  smtp:[127.0.0.1]:2526\n",
    "virtual": "info@example.org  root\nsales@example.org\n   root, postmaster\n",
    "maps/old": "old@example.org  root\n",
    "clients": "192.0.2.66  REJECT no\n",
    "sasl_passwd": "[relay.test]:587 me:geheim\n",
    "main.cf": MAIN,
}
DIALOGUE = (
    "EHLO client.test", "MAIL FROM:<a@client.test>", "RCPT TO:<info@example.org>", "RCPT TO:<nobody@example.org>",
    "RCPT TO:<root@mx1.example.com>", "RCPT TO:<x@elsewhere.test>", "VRFY root", "QUIT",
)  # fmt: skip
STRANGER = "192.0.2.10"


def replies(host: Host) -> list[list[str]]:
    """Return what a client of this host and one from outside are told."""
    return [host.dialogue(DIALOGUE, address=address) for address in ("127.0.0.1", STRANGER)]


def tree(host: Host) -> str:
    """Return everything in /etc/postfix: names, kinds, modes, owners, link targets and bytes."""
    script = (
        "find -H /etc/postfix/ ! -type l -printf '%P %y %m %u:%g\\n' | sort;"
        " find -H /etc/postfix/ -type l -printf '%P %l\\n' | sort;"
        " cd -P /etc/postfix && find . -type f -exec sha256sum {} + | sort"
    )
    return host.run("sh", "-c", script).stdout


@pytest.fixture(scope="module")
def office() -> Iterator[Host]:
    """Return a host with a Postfix that somebody has configured by hand, and a message that waits."""
    with Host() as made:
        for path, text in FILES.items():
            made.write(f"/etc/postfix/{path}", text, age=3600)
        made.run(
            "sh", "-c", "cd /etc/postfix && postmap transport virtual maps/old sasl_passwd && chmod 600 sasl_passwd*"
        )
        made.start_postfix()
        assert made.send("a@client.test", "late@waits.test").startswith("250")
        yield made


def test_a_host_moves_in_and_out_again(office: Host) -> None:
    before, said, configured = tree(office), replies(office), office.run("postconf", "-n").stdout
    master = office.read("/var/spool/postfix/pid/master.pid")

    began = time.monotonic()
    first = imported(office)
    assert first.status == 0, first.said
    assert first.proof["rows"] == (3, 3)
    assert {what.rpartition("/")[2] for what in first.left} == {"aliases", "old", "sasl_passwd", "gone.pem"}
    assert next(why for what, why in first.left.items() if what.endswith("gone.pem")).endswith("; it is missing")
    assert tree(office) == before
    text = office.run("git", "-C", REPOSITORY, "grep", "-h", "", "main").stdout
    assert "# The office's server, by Ada." in text
    assert "geheim" not in text + json.dumps(first.said)

    plan = office.run("reconciler", "plan", check=False)
    assert (plan.returncode, "no changes" in plan.stdout) == (0, True), plan.stdout + plan.stderr
    adopted = office.run("reconciler", "once", "--adopt", check=False)
    assert adopted.returncode == 0, adopted.stdout + adopted.stderr
    assert time.monotonic() - began < 60
    assert tree(office) == before
    assert replies(office) == said
    assert office.read("/var/spool/postfix/pid/master.pid") == master
    assert office.run("postconf", "-n").stdout == configured
    assert office.run("reconciler", "plan", check=False).returncode == 0
    assert office.run("reconciler", "check", check=False).returncode == 0
    assert imported(office).status == 0
    live = json.loads(office.run("reconciler", "status", "--json", check=False).stdout)["live"]
    assert live["generation"] == 0
    assert office.run("git", "-C", REPOSITORY, "rev-parse", "main").stdout.strip() == live["revision"]


def test_b_hand_edits_of_what_was_adopted_are_reverted_to_the_byte(office: Host) -> None:
    before = tree(office)
    office.run("sh", "-c", "postconf -e mynetworks=0.0.0.0/0; echo 'x@example.org root' >>/etc/postfix/virtual")
    office.run("sh", "-c", "postmap /etc/postfix/virtual; echo '# by hand' >>/etc/postfix/master.cf")

    assert office.run("reconciler", "once", check=False).returncode == 0

    # Only the map was compiled anew, which makes other bytes each time.
    assert [line for line in tree(office).splitlines() if line not in before.splitlines()] == [
        line for line in tree(office).splitlines() if line.endswith("./virtual.db")
    ]
    assert "x@example.org" not in office.run("postmap", "-s", "hash:/etc/postfix/virtual").stdout


def test_c_a_first_push_changes_what_it_says_and_nothing_else(office: Host) -> None:
    office.run("git", "clone", "-q", REPOSITORY, CLONE)
    before = office.run("postconf", "-n").stdout
    office.run("sed", "-i", "s/delay_warning_time: 4h/delay_warning_time: 5h/", f"{CLONE}/mail.yaml")
    office.run("sh", "-c", f"cd {CLONE} && git -c user.name=A -c user.email=a@x commit -qam 'Warn later'")
    office.run("sh", "-c", f"cd {CLONE} && git push -q origin HEAD:main 2>&1", check=False)

    plan = json.loads(office.run("reconciler", "plan", "--json", check=False).stdout)
    applied = office.run("reconciler", "once", check=False)

    assert [(one["what"], one["before"], one["after"]) for one in plan["changes"]] == [
        ("delay_warning_time", "4h", "5h")
    ]
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert office.run("postconf", "-n").stdout == before.replace("time = 4h", "time = 5h")
    assert office.read("/etc/postfix/master.cf") == office.read("/var/lib/reconciler/rescue/postfix/master.cf")


def test_d_rescue_brings_the_old_host_back(office: Host) -> None:
    rescued = office.run("reconciler", "rescue", check=False)

    assert rescued.returncode == 0, rescued.stdout + rescued.stderr
    for name in FILES:
        assert office.read(f"/etc/postfix/{name}") == office.read(f"/var/lib/reconciler/rescue/postfix/{name}")
    assert office.read("/etc/postfix/main.cf") == MAIN
    sink = office.sink(2526)
    office.run("postqueue", "-f")
    office.wait_for(lambda: sink.received, 60, "the message that waited")


def test_a_password_in_main_cf_is_not_imported_and_nothing_is_left_behind(bare_host: Host) -> None:
    lay_out(bare_host, "upstream", "/etc/postfix")
    bare_host.run(
        "sh", "-c", "echo 'people_bind_pw = geheim' >>/etc/postfix/main.cf; touch -d -1hour /etc/postfix/main.cf"
    )

    there = "find /srv /etc/reconciler* /tmp -maxdepth 1 -name '*reconciler*' -o -name '*.git'"
    before = bare_host.run("sh", "-c", there, check=False).stdout

    result = imported(bare_host)
    shown = bare_host.run("reconciler", "import", check=False)

    assert result.status == shown.returncode == 1
    assert [finding["rule"] for finding in result.said["findings"]] == ["password-in-main-cf"]
    assert "geheim" not in json.dumps(result.said) + shown.stdout + shown.stderr
    assert bare_host.run("sh", "-c", there, check=False).stdout == before
    kept = imported(bare_host, "--keep")
    assert (kept.status, bool(kept.said["written"])) == (1, True)
    assert "geheim" not in bare_host.run("git", "-C", REPOSITORY, "grep", "-h", "", "main").stdout


def test_without_a_configuration_there_is_nothing_to_import_now(bare_host: Host) -> None:
    bare_host.run("mv", "/etc/postfix/main.cf", "/root/main.cf")

    done = bare_host.run("reconciler", "import", check=False)

    assert (done.returncode, "main.cf is missing" in done.stderr) == (75, True)
    bare_host.run("mv", "/root/main.cf", "/etc/postfix/main.cf")


def test_a_repository_that_is_there_is_compared_and_not_written(bare_host: Host) -> None:
    bare_host.run("reconciler", "init", REPOSITORY)
    tip = bare_host.run("git", "-C", REPOSITORY, "rev-parse", "main").stdout

    result = imported(bare_host)

    assert (result.status, result.said["written"]) == (1, "")
    assert result.said["changes"]
    assert bare_host.run("git", "-C", REPOSITORY, "rev-parse", "main").stdout == tip


def test_a_link_or_a_mount_point_in_place_of_the_folder_is_said_first(bare_host: Host) -> None:
    bare_host.run("sh", "-c", "mv /etc/postfix /etc/postfix-real && ln -s postfix-real /etc/postfix")

    result = imported(bare_host)

    assert result.status == 0, result.said
    assert result.said["remarks"][0].startswith("/etc/postfix is a link to postfix-real")
    bare_host.run("sh", "-c", "rm /etc/postfix && mkdir /etc/postfix && mount --bind /etc/postfix-real /etc/postfix")
    assert imported(bare_host).said["remarks"][0].startswith("/etc/postfix is a mount point")
    refused = bare_host.run("reconciler", "import", check=False, user="nobody")
    assert (refused.returncode, "run this as root" in refused.stderr) == (77, True)
