"""Every command on the pages about working with others is run as it is written there.

Known limit: no ssh server runs on a throw-away host. In its place, a program does what sshd does after a login: it
starts the user's shell, git-shell, with the command that ssh(1) was given.
"""

from __future__ import annotations

import json
from functools import partial

from tests.e2e.adopted_host import STATE, AdoptedHost
from tests.e2e.hosts import Host, network
from tests.e2e.pages import run_page

SSH = """\
#!/bin/sh
for last; do :; done
exec setpriv --reuid git --regid git --init-groups --reset-env git-shell -c "$last"
"""
NO_POSTFIX = """
mkdir -p /tmp/ci && cp /usr/sbin/nologin /tmp/ci/ && mount --bind /tmp/ci /usr/sbin &&
mount -t tmpfs none /usr/lib/postfix && ! command -v postconf && cd "$0" && eval "$1"
"""
KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
FLOWS = {"flows/a.yaml": "a:\n  to: postmaster@$myhostname\n  expect: accepted\n"}


def run(host: Host, folder: str, command: str, **env: str) -> str:
    """Run a command of a page as root in a folder; what it prints."""
    return host.run("bash", "-ec", f"cd {folder}; {command}", env=env).stdout


def person(name: str) -> dict[str, str]:
    """Return the environment of somebody who clones over ssh."""
    who = {"NAME": name, "EMAIL": f"{name}@example.com"}
    return {"GIT_SSH_COMMAND": "/root/ssh"} | {
        f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()
    }


def test_two_administrators_clone_over_ssh_and_push() -> None:
    with AdoptedHost(owner="git") as site:
        host = site.host
        host.write("/root/ssh", SSH, 0o755)
        for name in ("ada", "bob"):
            host.write(f"/root/{name}.pub", f"ssh-ed25519 AAAA {name}\n")
            host.run("mkdir", f"/root/{name}")
        people = {name: partial(run, host, f"/root/{name}", **person(name)) for name in ("ada", "bob")}

        printed = run_page("administrators", {"mx1": partial(run, host, "/root"), **people})

        assert "Initial desired state" in str(printed["cd mail && git fetch --quiet && git log --notes=reconciler -3"])
        assert "old.example" in host.read("/etc/postfix/transport")
        assert host.read("/home/git/.ssh/authorized_keys").count("ssh-ed25519") == 2
        log = host.run("git", "-C", "/root/bob/mail", "log", "--format=%an", "-1").stdout
        assert log == "ada\n"
        assert host.run("find", "/srv/mail-state.git", "!", "-user", "git").stdout == ""


def test_a_second_host_joins_the_repository_of_the_first() -> None:
    state = {**STATE, "secrets/recipients": f"# mx1.example.com\n{KEY}\n"}
    with AdoptedHost(state=state, daemon=False) as site, Host("mx2.example.com", "192.0.2.20", postfix=True) as second:
        first = site.host
        network(first, second)
        second.start("git", "daemon", "--export-all", "--enable=receive-pack", "/srv")
        for url, instead in (("git://192.0.2.20/", "mx2"), ("/", "mx1")):
            first.run("git", "config", "--global", f"url.{url}.insteadOf", f"ssh://git@{instead}.example.com/")

        def ada(command: str) -> str:
            facts = second.run("cat", "/root/mx2.json", check=False).stdout
            first.write("/root/mx2.json", facts)
            return run(first, "/root/clone", command, **person("ada"))

        run_page("several-hosts", {"mx2": partial(run, second, "/root"), "ada": ada})

        recipients = first.run("git", "-C", "/srv/mail-state.git", "show", "main:secrets/recipients").stdout
        own = second.run("age-keygen", "-y", "/etc/reconciler/identity.age").stdout
        assert recipients == f"# mx1.example.com\n{KEY}\n# mx2.example.com\n{own}"
        assert second.run("postconf", "-h", "myhostname").stdout == "mx2.example.com\n"
        assert second.run("readlink", "/etc/postfix").stdout == "/var/lib/reconciler/live/postfix\n"
        one, two = (
            host.run("git", "-C", "/srv/mail-state.git", "rev-parse", "main").stdout for host in (first, second)
        )
        assert one == two


def test_a_clone_is_judged_on_a_machine_without_postfix_by_the_facts_of_the_host() -> None:
    with AdoptedHost(state={**STATE, **FLOWS}, daemon=False) as site:
        host = site.host
        clone, facts = "/root/clone", "/root/clone/.facts"

        def ci(command: str) -> str:
            host.run("bash", "-ec", f"mkdir -p {facts} && cp /root/mx1.example.com.json {facts}/")
            done = host.run("unshare", "-m", "bash", "-ec", NO_POSTFIX, clone, command)
            assert "limit: judged as mx1.example.com by its facts" in done.stderr
            assert done.stderr.endswith("flows: 1 not run, there was no rehearsal\n") or "--format" in command
            return done.stdout

        run_page("ci", {"mx1": partial(run, host, "/root"), "ci": ci})

        known = json.loads(host.read("/root/mx1.example.com.json"))
        assert known["version"] == host.run("postconf", "-h", "mail_version").stdout.strip()
        assert {"postfix", "root"} <= set(known["users"])
        assert json.loads(host.read(f"{clone}/.facts/codequality.json")) == []
        assert json.loads(host.read(f"{clone}/.facts/reconciler.sarif"))["runs"][0]["results"] == []
        assert host.run("reconciler", "facts", user="nobody", check=False).returncode == 77

        host.run("sed", "-i", "s/mynetworks:/mynetwork:/", f"{clone}/mail.yaml")
        check = ("reconciler", "check", "--tree", clone)
        judged = host.run(*check, "--facts", f"{facts}/mx1.example.com.json", check=False)
        here = host.run(*check, check=False)
        assert (judged.returncode, here.returncode) == (1, 1)
        assert judged.stdout == here.stdout, "the same findings as on the host"


def test_an_editor_gets_the_schema_with_the_parameters_of_the_host() -> None:
    with AdoptedHost(daemon=False) as site:
        people = {
            "mx1": partial(run, site.host, "/root"),
            "ada": partial(run, site.host, "/root/clone", **person("ada")),
        }

        run_page("editors", people)

        for file in ("/root/clone/.schema/mail.json", "/root/mail.json"):
            parameters = json.loads(site.host.read(file))["properties"]["parameters"]["properties"]
            assert "message_size_limit" in parameters
        assert site.push({}, "The schema").accepted
