"""The second step of a move: each offer is a commit of its own, and Postfix does the same as before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.hosts import Host
from tests.e2e.move_in.shaped import imported
from tests.shapes import files_of

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = "/srv/mail-state.git"
SLOW = "# for a slow partner\nslow unix - - n - - smtp -o syslog_name=postfix/$service_name\n"
MAIN = """\
compatibility_level = 2
biff = yes
myhostname = mx1.example.com
mydestination = $myhostname, localhost
mynetworks = 127.0.0.0/8 [::1]/128
transport_maps = hash:/etc/postfix/transport
virtual_alias_domains = example.org
virtual_alias_maps = hash:/etc/postfix/virtual
alias_maps =
# our provider
relayhost = [127.0.0.1]:2525
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd
smtp_sasl_security_options = noanonymous
smtp_tls_security_level = may
slow_destination_concurrency_limit = 2
"""
FILES = {
    "main.cf": MAIN,
    "master.cf": files_of("debian")["master.cf"].decode() + SLOW,
    "transport": "waits.test  smtp:[127.0.0.1]:2526\n",
    "virtual": "info@example.org  root\n",
    "sasl_passwd": "[127.0.0.1]:2525 me:geheim\n",
}
# The other test rehearses its commits.
SETTINGS = '[host]\nname = "mx1.example.com"\n[repository]\npath = "/srv/mail-state.git"\n[rehearsal]\nmode = "off"\n'
NAMES = ["defaults", "example_pipes", "compatibility_level", "tables", "smart_host", "tls", "transports"]
EVERY = [*NAMES[:-1], "sites", "transports", "submission", "sender_rewriting", "dkim"]
CHANGED = {"biff", "compatibility_level", "process_id"}


def values(host: Host) -> dict[str, str]:
    """Return what every parameter means, with the types of tables as they were."""
    said = host.run("postconf", "-x").stdout.replace("lmdb:/etc/postfix/", "hash:/etc/postfix/")
    pairs = (line.partition(" = ")[::2] for line in said.splitlines())
    return {name: value for name, value in pairs if name not in CHANGED and not name.startswith(PIPES)}


PIPES = ("maildrop_", "uucp_", "ifmail_", "bsmtp_", "scalemail-backend_", "mailman_")


def then(host: Host, names: str) -> tuple[int, list[dict[str, object]]]:
    """Make commits of offers, and return the exit status and what was said of each."""
    done = host.run("reconciler", "import", "--then", names, "--json", check=False)
    assert "geheim" not in done.stdout + done.stderr
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)["then"]


def commits(host: Host) -> list[str]:
    return host.run("git", "-C", REPOSITORY, "log", "--format=%s", "--reverse", "main").stdout.splitlines()


@pytest.fixture
def office() -> Iterator[Host]:
    """Return a host with a Postfix of Debian's, with tables and a relay with a login."""
    with Host() as made:
        for path, text in FILES.items():
            made.write(f"/etc/postfix/{path}", text, age=3600)
        made.run("sh", "-c", "cd /etc/postfix && postmap transport virtual sasl_passwd && chmod 600 sasl_passwd*")
        made.run("touch", "-d", "-1 hour", "/etc/postfix/main.cf")
        made.start_postfix()
        yield made


def test_offers_are_made_before_the_host_is_handed_over(office: Host) -> None:
    office.write("/etc/reconciler.toml", SETTINGS)
    before = values(office)
    first = imported(office)
    assert [one["name"] for one in first.said["offers"]] == NAMES, first.said
    saves = {one["name"]: one["saves"] for one in first.said["offers"]}
    assert (saves["defaults"], saves["example_pipes"] > 50, saves["tables"]) == (1, True, 2)
    assert "geheim" not in json.dumps(first.said)
    wrong = office.run("reconciler", "import", "--then", "table", check=False)
    assert (wrong.returncode, "did you mean tables" in wrong.stderr) == (64, True), wrong.stderr

    status, (made,) = then(office, "tables")
    again, (nothing,) = then(office, "tables")
    assert (status, again, nothing["commit"]) == (0, 0, None)
    assert made["commit"] == office.run("git", "-C", REPOSITORY, "rev-parse", "main").stdout.strip()
    shown = office.run("reconciler", "import", "--then", "all", check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "tables: nothing is left to do" in shown.stdout
    assert len(commits(office)) == 8, commits(office)
    everything = office.run("git", "-C", REPOSITORY, "log", "-p", "main").stdout
    assert "geheim" not in everything + shown.stdout + shown.stderr
    assert values(office) == before

    adopted = office.run("reconciler", "once", "--adopt", check=False)
    assert adopted.returncode == 0, adopted.stdout + adopted.stderr
    assert values(office) == before
    assert then(office, "all") == (0, [{"name": name, "commit": None, "why_not": "", "findings": []} for name in EVERY])
    listed = office.run("ls", "/etc/postfix/").stdout.split()
    assert not {"transport.db", "virtual.db", "sasl_passwd.db"} & {*listed}
    modes = office.run("sh", "-c", "stat -c %a /etc/postfix/sasl_passwd /etc/postfix/sasl_passwd.lmdb").stdout
    assert modes == "600\n600\n"
    asked = office.run("postmap", "-q", "[127.0.0.1]:2525", "lmdb:/etc/postfix/sasl_passwd").stdout
    assert asked.strip() == "me:geheim"
    assert imported(office).said["offers"] == []
    sink = office.sink(2525)
    assert office.send("a@client.test", "b@elsewhere.test", address="127.0.0.1").startswith("250")
    office.wait_for(lambda: sink.received, 30, "the message for the relay")

    rescued = office.run("reconciler", "rescue", check=False)
    assert rescued.returncode == 0, rescued.stdout + rescued.stderr
    assert {path: office.read(f"/etc/postfix/{path}") for path in FILES} == FILES


def test_offers_are_made_after_the_host_is_handed_over(office: Host) -> None:
    assert office.run("reconciler", "import", "--then", "defaults", check=False).returncode == 0
    assert len(commits(office)) == 2
    adopted = office.run("reconciler", "once", "--adopt", check=False)
    assert adopted.returncode == 0, adopted.stdout + adopted.stderr
    before = values(office)

    status, made = then(office, "smart_host,tables")
    plan = json.loads(office.run("reconciler", "plan", "--json", check=False).stdout)
    applied = office.run("reconciler", "once", check=False)

    assert (status, [one["name"] for one in made]) == (0, ["tables", "smart_host"])
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert {one["what"]: one["effect"] for one in plan["changes"]}["sasl_passwd.db"] == "same"
    assert values(office) == before
    listed = office.run("ls", "/etc/postfix/").stdout.split()
    assert not {"transport.db", "virtual.db", "sasl_passwd.db"} & {*listed}
    assert office.run("reconciler", "plan", check=False).returncode == 0

    back = office.run("reconciler", "rollback", check=False)
    assert back.returncode == 0, back.stdout + back.stderr
    assert office.run("postmap", "-s", "hash:/etc/postfix/sasl_passwd").stdout == "[127.0.0.1]:2525\tme:geheim\n"
    assert office.read("/etc/postfix/sasl_passwd") == FILES["sasl_passwd"]
    assert values(office) == before
