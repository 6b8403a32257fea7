"""deploy/install on a host that follows a remote, with sshd as the forge: from the first fetch to the notes there.

The forge is on the same throw-away host, under another name: what is tested is what goes over ssh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.deploy.installation import install, lay_packages, wheels
from tests.e2e.deploy.test_deploy import banner
from tests.e2e.hosts import CHECKOUT, Host

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wheels"]

FORGE, CLONE = "/srv/forge.git", "/root/clone"
URL = f"ssh://git@forge.example.com{FORGE}"
SETTINGS = f"""\
[repository]
url = "{URL}"
poll = "1s"
push = "on"
[rehearsal]
mode = "off"
[daemon]
reload_interval = "0s"
"""
# What an administrator of the forge has, and what docs/remote.md says.
PREPARE = f"""
set -e
echo 127.0.0.1 forge.example.com >>/etc/hosts
useradd --system --home /srv/git --create-home --shell /usr/bin/git-shell git
usermod -p '*' git
install -d /run/sshd
id sshd >/dev/null 2>&1 || useradd --system --home /run/sshd --shell /usr/sbin/nologin sshd
ssh-keygen -q -t ed25519 -N "" -f /root/host_key
printf 'HostKey /root/host_key\\nStrictModes no\\nPidFile /run/sshd.pid\\n' >/root/sshd_config
git config --global user.email ada@example.com
git config --global user.name Ada
git config --global safe.directory '*'
git init --quiet --bare --initial-branch=main {FORGE}
cp -r {CHECKOUT}/desired-state {CLONE}
cd {CLONE}
git init --quiet --initial-branch=main && git add . && git commit --quiet --message Start
git remote add origin {FORGE} && git push --quiet origin main
chown -R git: {FORGE}
"""
LET_IN = """
set -e
install -d -m 700 /etc/reconciler
ssh-keygen -q -t ed25519 -N "" -C reconciler -f /etc/reconciler/deploy_key
ssh-keyscan forge.example.com >/etc/reconciler/known_hosts
install -d -o git -g git -m 700 ~git/.ssh
sed "s/^/restrict /" /etc/reconciler/deploy_key.pub >~git/.ssh/authorized_keys
chown git: ~git/.ssh/authorized_keys
"""
PUSH = """
cd /root/clone && git pull --quiet origin main && eval "$1" &&
git commit --quiet --all --message "$2" && git push --quiet origin main && chown -R git: /srv/forge.git"""
LIST = r"""printf '  %s\n' 'multi_instance_wrapper: ${command_directory}/postmulti -p --' \
    'multi_instance_enable: yes' 'multi_instance_directories: /etc/postfix-out' >>mail.yaml"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """Return a host with Postfix and the settings of one that follows a forge, and that forge."""
    with Host(systemd=True, postfix=True) as made:
        lay_packages(made)
        made.run("bash", "-c", PREPARE)
        made.start("/usr/sbin/sshd", "-D", "-e", "-f", "/root/sshd_config")
        made.wait_for(lambda: made.run("ss", "-Hltn", "sport = :22").stdout, what="sshd")
        made.write("/etc/reconciler.toml", SETTINGS)
        yield made


def push(host: Host, edit: str, subject: str) -> str:
    """Push an edit of the state to the forge; the commit."""
    host.run("bash", "-c", PUSH, "push", edit, subject)
    return host.run("git", "-C", CLONE, "rev-parse", "HEAD").stdout.strip()


def test_a_host_is_installed_adopted_and_follows_its_forge(host: Host, wheels: str) -> None:
    refused = install(host, wheels, "--yes", check=False)
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "deploy_key: No such file" in refused.stderr
    assert "the remote can't be fetched; see docs/remote.md, and run this again" in refused.stderr
    host.run("bash", "-c", LET_IN)

    ready = install(host, wheels, check=False)
    assert ready.returncode == 2, ready.stdout + ready.stderr
    assert f"fetched {URL}: main is at " in ready.stdout
    assert "  - uucp/unix " in ready.stdout, "the plan of adoption"
    assert not host.run("find", "/etc/postfix", "-maxdepth", "0", "-type", "l").stdout
    done = install(host, wheels, "--yes")
    assert "starting reconciler.service" in done.stderr
    assert host.run("readlink", "/etc/postfix").stdout.strip() == "/var/lib/reconciler/live/postfix"
    assert install(host, wheels, "--yes").stderr.count("\n") == 1, "nothing left to do"

    pushed = push(host, "printf '  smtpd_banner: from the forge\\n' >>mail.yaml", "Say so")
    host.wait_for(lambda: banner(host) == "220 from the forge", what="the commit to go live")
    noted = ("git", "-C", FORGE, "notes", "--ref=reconciler", "show", pushed)
    host.wait_for(lambda: "live and verified" in host.run(*noted, check=False).stdout, what="the note on the forge")
    host.run("reconciler", "set", "message_size_limit", "30720000")
    assert "Set message_size_limit" in host.run("git", "-C", FORGE, "log", "-1", "--format=%s", "main").stdout
    assert host.run("reconciler", "status").returncode == 0


def test_an_instance_beside_a_host_that_may_not_push_says_what_to_commit(host: Host, wheels: str) -> None:
    host.write("/etc/reconciler.toml", SETTINGS.replace('push = "on"', 'push = "off"'))
    host.run("systemctl", "restart", "reconciler")
    out = ("--yes", "--instance", "out")
    told = install(host, wheels, *out, check=False)
    assert told.returncode == 1, told.stdout + told.stderr
    assert f"commit this to mail.yaml in main of {URL}, which this host does not push to" in told.stderr
    assert "\n  multi_instance_directories: /etc/postfix-out\n" in told.stderr
    assert host.run("systemctl", "is-active", "reconciler@out").stdout == "active\n"
    push(host, LIST, "Start the instance out")
    host.wait_for(lambda: "/etc/postfix-out" in host.run("postmulti", "-l").stdout, what="the list to be live")
    install(host, wheels, *out)
    host.wait_for(lambda: host.run("postfix", "-c", "/etc/postfix-out", "status", check=False).returncode == 0)
