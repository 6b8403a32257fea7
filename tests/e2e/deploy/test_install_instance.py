"""deploy/install --instance: one more Postfix beside the default one, upgraded with it, and removed again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.deploy.installation import INSTALL, LISTING, hand_over, install, master, wheels
from tests.e2e.deploy.test_deploy import CLONE, UNINSTALL, UNIT, banner, cgroup, clone, delivered, push, send

if TYPE_CHECKING:
    from tests.e2e.hosts import Host

__all__ = ["wheels"]

SHORT = '[daemon]\nreload_interval = "0s"\n'


def plan_of_an_instance(host: Host, says: str, settings: str = SHORT) -> None:
    """Plan the installation of an instance, with these settings instead of its own; nothing changes."""
    file = "/etc/reconciler/out.toml"
    own = host.read(file) if settings else ""
    if settings:
        host.write(file, settings)
    state = ("find", "/var/lib", "-maxdepth", "2", "-path", "*reconciler-out*", "-printf", r"%p %T@\n")
    before = host.run(*LISTING).stdout, host.run(*state).stdout
    told = host.run(INSTALL, "--plan", "--instance", "out").stdout
    assert says in told, told
    units = [f"/etc/systemd/system/{name}" for name in ("reconciler@.service", "reconciler@out.service.d")]
    listed = [line.removeprefix("would make  ") for line in told.splitlines() if line.startswith("would make  /etc/")]
    assert listed[:3] == ([] if settings else [file, *units])
    assert (host.run(*LISTING).stdout, host.run(*state).stdout) == before
    if settings:
        host.write(file, own)


def test_an_instance_is_installed_beside_the_default_one_and_removed_again(systemd_host: Host, wheels: str) -> None:
    host = systemd_host
    host.start_postfix()
    hand_over(host, wheels)
    clone(host)
    own, out = master(host), ("--instance", "out")
    plan_of_an_instance(host, "would make  /etc/postfix-out, an instance that takes no mail yet", settings="")
    ready = install(host, wheels, *out, check=False)
    assert (ready.returncode, "no changes" in ready.stdout) == (2, True), ready.stdout + ready.stderr
    assert "/etc/postfix-out" not in host.run("postmulti", "-l").stdout, "without --yes, nothing starts"
    plan_of_an_instance(host, "no changes")
    install(host, wheels, "--yes", *out)
    assert install(host, wheels, "--yes", *out).stderr.count("\n") == 1  # nothing left to do
    listed = host.run("postmulti", "-l", "-a").stdout.split("\n")[1].split()
    assert listed == ["postfix-out", "-", "y", "/etc/postfix-out"]
    assert (
        "multi_instance_directories"
        in host.run("git", "-C", "/srv/mail-state.git", "log", "--format=%s", "main").stdout
    )

    script = r"""
        git clone --quiet --branch out /srv/mail-state.git /root/out && cd /root/out &&
        sed -i '/master_service_disable:/d' mail.yaml && sed -i 's/^smtp      inet/2525      inet/' master.d/host.cf &&
        git commit --quiet --all --message 'Listen' && git push 2>&1"""
    assert "live" in host.run("bash", "-c", script).stdout
    host.send("a@client.test", "root@mx1.example.com", "Subject: by out\n\nHello.", 2525)
    send(host, "by default")
    delivered(host, "by out")
    delivered(host, "by default")
    pid = int(host.read("/var/spool/postfix-out/pid/master.pid"))
    assert cgroup(host, pid).endswith("postfix@postfix-out.service")
    restarting = "cd /root/out && echo '  inet_protocols: ipv4' >>mail.yaml && git commit -qam 4 && git push 2>&1"
    assert "live" in host.run("bash", "-c", restarting).stdout
    assert int(host.read("/var/spool/postfix-out/pid/master.pid")) != pid
    assert master(host) == own
    host.run("systemctl", "restart", UNIT, "reconciler@out")
    assert host.run("ls", "/run/reconciler", "/run/reconciler-out").stdout.count("control.sock") == 2
    host.run("systemctl", "stop", UNIT)
    assert host.run("reconciler", *out, "status").stdout.startswith("mx1.example.com@out   OK: ")
    host.run("systemctl", "start", UNIT)

    for options in ((), out):
        host.run("sh", "-c", "touch /opt/reconciler/stamp; echo '#' >>/etc/systemd/system/reconciler@.service")
        upgraded = install(host, wheels, "--yes", *options).stderr
        assert "writing /etc/systemd/system/reconciler@.service" in upgraded
        assert all(f"restarting {unit}" in upgraded for unit in (UNIT, "reconciler@out.service")), upgraded
        assert "restarting" not in install(host, wheels, "--yes", *options).stderr

    assert host.run(UNINSTALL, *out, check=False).returncode == 2
    host.run(UNINSTALL, "--yes", "--purge", *out)
    gone = ("/etc/reconciler/out.toml", "/var/lib/reconciler-out", "/var/backups/reconciler-out", "/run/reconciler-out")
    assert not host.run("find", *gone, check=False).stdout
    assert "reconciler@" not in host.run("ls", "/etc/systemd/system").stdout
    assert host.run("find", "/etc/postfix-out", "-maxdepth", "0", "-type", "d").stdout
    assert host.dialogue(["QUIT"], 2525)[0].startswith("220 ")
    host.run("git", "-C", CLONE, "pull", "--quiet")  # the list of instances is a commit of the default one
    assert "live and verified" in push(host, "still here")
    assert (master(host), banner(host)) == (own, "220 still here")
