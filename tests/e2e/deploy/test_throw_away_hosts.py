"""The throw-away hosts keep their promises: a real Postfix inside, nothing changed outside, nothing left over."""

from __future__ import annotations

import hashlib
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.hosts import CHECKOUT, Host, HostError, network

LONG = 1000.0


def digest(folder: Path) -> str:
    """Return one digest of everything in a folder, names, modes and times included."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        found.update(f"{path} {about.st_mode} {about.st_mtime_ns}\n".encode())
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()


def inhabitants(namespace: str) -> list[str]:
    """Return the processes in a process namespace, as seen from outside."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/ns/pid"):
        try:
            if str(entry.readlink()) == namespace:
                found.append(entry.parts[2])
        except FileNotFoundError:  # it ended while we were looking
            continue
    return found


def cgroups(pid: int) -> list[Path]:
    """Return the cgroup of the host whose PID 1 this is, wherever cgroup2 is mounted here."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    folders = [Path(where) / f"throw-away-{pid}" for _, where, kind, *_ in mounts if kind == "cgroup2"]
    return [folder for folder in folders if folder.exists()]


def test_postfix_answers_on_port_25(host: Host) -> None:
    banner, hello, bye = host.dialogue(["EHLO client.test", "QUIT"])
    assert banner == "220 mx1.example.com ESMTP Postfix (Debian/GNU)"
    assert "250-PIPELINING" in hello.splitlines()
    assert bye.startswith("221 ")
    assert host.run("postconf", "-h", "inet_interfaces").stdout == "loopback-only\n"


def test_a_message_to_root_is_delivered_and_logged(host: Host) -> None:
    assert host.send("a@client.test", "root", "Subject: it works\n\nReally.").startswith("250 2.0.0 Ok: queued as")
    host.wait_for(lambda: "status=sent (delivered to mailbox)" in host.mail_log(), what="the delivery")
    assert "Subject: it works\n" in host.read("/var/mail/root")
    host.wait_for_empty_queue()


def test_a_refusal_is_returned(host: Host) -> None:
    assert host.send("a@client.test", "nobody-of-that-name").startswith("550 5.1.1 ")


def test_a_sink_receives_what_postfix_relays(host: Host) -> None:
    host.sink(2525)
    host.run("postconf", "-e", "default_transport=smtp", "relayhost=[127.0.0.1]:2525", "inet_interfaces=all")
    host.run("postfix", "reload")
    assert host.send("a@client.test", "b@elsewhere.test").startswith("250 ")
    host.wait_for(lambda: host.received(2525), what="the message at the sink")
    (message,) = host.received(2525)
    assert message.sender == "a@client.test"
    assert message.recipients == ("b@elsewhere.test",)
    assert message.helo == "mx1.example.com"
    assert message.peer == "127.0.0.1"
    assert not message.tls
    assert "Hello." in message.data


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_sink_can_speak_tls_and_be_logged_in_to(bare_host: Host, tmp_path: Path, *, wrapped: bool) -> None:
    command = (
        "openssl req -x509 -newkey ec -pkeyopt group:P-256 -nodes -subj /CN=x -addext subjectAltName=DNS:sink.test"
    )
    subprocess.run([*command.split(), "-keyout", "key", "-out", "cert"], check=True, capture_output=True, cwd=tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    bare_host.sink(2525, tls=tls, wrapped=wrapped)
    if wrapped:
        trusting = ssl.create_default_context(cafile=str(tmp_path / "cert"))
        with trusting.wrap_socket(bare_host.connect(2525), server_hostname="sink.test") as connection:
            assert connection.recv(100).startswith(b"220 ")
        return
    with bare_host.smtp(2525) as conversation:
        conversation.starttls()
        conversation.login("someone", "secret")
        conversation.sendmail("a@client.test", ["b@elsewhere.test"], "Subject: x\n\nSecret.")
    (message,) = bare_host.received(2525)
    assert message.tls
    assert message.login == "someone"


def test_a_port_where_nobody_listens_refuses(bare_host: Host) -> None:
    with pytest.raises(ConnectionRefusedError):
        bare_host.dialogue(["QUIT"])


def test_nothing_outside_changes(host: Host) -> None:
    folders = [Path("/etc/postfix"), Path("/etc/systemd")]
    before = [digest(folder) for folder in folders]
    aliases = Path("/etc/aliases").read_text()
    host.run("postconf", "-e", "myhostname=changed.test")
    host.write("/etc/aliases", "root: nobody\n")
    host.run("rm", "-rf", "/etc/systemd")
    assert host.read("/etc/aliases") == "root: nobody\n"
    assert [digest(folder) for folder in folders] == before
    assert Path("/etc/aliases").read_text() == aliases
    with socket.socket() as outside:
        outside.settimeout(0.2)
        assert outside.connect_ex((host.address, 25)) != 0
    with pytest.raises(HostError, match="Read-only file system"):
        host.write(CHECKOUT / "stray", "")


def test_an_ordinary_user_can_run_commands_and_python(bare_host: Host) -> None:
    assert bare_host.run("id", "-un", user="nobody").stdout == "nobody\n"
    assert bare_host.run(sys.executable, "-c", "print('hello')", user="nobody").stdout == "hello\n"
    with pytest.raises(HostError, match="Permission denied"):
        bare_host.run("touch", "/etc/stray", user="nobody")
    with pytest.raises(HostError, match="no user 'nobody-of-that-name'"):
        bare_host.run("true", user="nobody-of-that-name")


def test_input_environment_and_files_arrive(bare_host: Host) -> None:
    assert bare_host.run("cat", input="over\n").stdout == "over\n"
    assert bare_host.run("sh", "-c", "echo $GREETING", env={"GREETING": "hello"}).stdout == "hello\n"
    bare_host.write("/etc/new/file", "text\n", mode=0o640, age=10)
    seen = bare_host.run("stat", "-c", "%a %Y", "/etc/new/file").stdout.split()
    assert seen[0] == "640"
    assert 9 <= time.time() - int(seen[1]) <= 15


def test_a_failure_tells_the_whole_story(bare_host: Host) -> None:
    with pytest.raises(HostError, match=r"(?s)'echo out; .*: status 3.*stdout\nout\n.*stderr\nerr\n"):
        bare_host.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert bare_host.run("sh", "-c", "exit 3", check=False).returncode == 3
    with pytest.raises(HostError, match=r"not done after 0\.1 s"):
        bare_host.run("sh", "-c", "sleep 100 & wait", timeout=0.1)
    with pytest.raises(HostError, match="in vain for a miracle"):
        bare_host.wait_for(lambda: False, timeout=0.1, what="a miracle")


def test_a_started_command_gets_signals_and_dies_with_the_host() -> None:
    with Host() as host:
        script = "trap 'echo caught; exit 7' TERM; echo set; while :; do sleep 0.01; done"
        polite = host.start("sh", "-c", script, output=subprocess.PIPE)
        assert polite.stdout is not None
        assert polite.stdout.readline() == "set\n"
        host.signal(polite, signal.SIGTERM)
        assert polite.stdout.read() == "caught\n"
        assert polite.wait(10) == 7
        stubborn = host.start("sleep", str(LONG))
    assert stubborn.poll() is not None


def test_a_host_is_gone_with_all_its_processes() -> None:
    with Host(postfix=True) as host:
        namespace = str(Path(f"/proc/{host.pid}/ns/pid").readlink())
        host.run("setsid", "-f", "sh", "-c", f"exec sleep {LONG} >/dev/null 2>&1")
        assert len(inhabitants(namespace)) > 4
    assert inhabitants(namespace) == []


@pytest.mark.parametrize("kind", ["postfix", "systemd"])
def test_a_killed_harness_leaves_no_process(kind: str) -> None:
    script = f"""if True:
        import time
        from tests.e2e.hosts import Host
        with Host({kind}=True) as host:
            host.start("sleep", "{LONG}")
            print(host.pid, flush=True)
            time.sleep({LONG})"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as harness:
        assert harness.stdout is not None
        namespace = str(Path(f"/proc/{int(harness.stdout.readline())}/ns/pid").readlink())
        deadline = time.monotonic() + 60
        while len(inhabitants(namespace)) <= 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(inhabitants(namespace)) > 2
        harness.kill()
    deadline = time.monotonic() + 60
    while inhabitants(namespace) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert inhabitants(namespace) == []


def test_systemd_runs_postfix_in_a_cgroup_of_its_own(systemd_host: Host) -> None:
    host = systemd_host
    assert host.run("cat", "/proc/1/comm").stdout == "systemd\n"
    assert host.run("systemctl", "is-active", "postfix", check=False).stdout == "inactive\n"
    host.run("systemctl", "start", "postfix")
    unit = "/system.slice/system-postfix.slice/postfix@-.service"
    assert f"0::{unit}\n" in host.run("sh", "-c", "cat /proc/$(pgrep -ox master)/cgroup").stdout
    assert "0::/visitor\n" in host.run("cat", "/proc/self/cgroup").stdout
    assert host.send("a@client.test", "root").startswith("250 ")
    host.wait_for(lambda: "status=sent" in host.mail_log(), what="the delivery in the journal")
    host.run("systemctl", "stop", "postfix")  # returns before Debian's inner unit has stopped
    host.wait_for(lambda: host.run("pgrep", "-x", "master", check=False).returncode == 1, what="the master to end")


def test_a_host_under_systemd_leaves_no_process_and_no_cgroup() -> None:
    with Host(systemd=True, postfix=True) as host:
        namespace = str(Path(f"/proc/{host.pid}/ns/pid").readlink())
        assert host.dialogue(["QUIT"])[0].startswith("220 ")
        assert inhabitants(namespace)
    assert inhabitants(namespace) == []
    assert cgroups(host.pid) == []


def test_hosts_can_be_joined_to_a_network() -> None:
    with Host("mx1.example.com", "192.0.2.10") as one, Host("mx2.example.com", "192.0.2.20") as two:
        network(one, two)
        two.sink(25, two.address)
        with one.smtp(25, two.address) as conversation:
            conversation.sendmail("a@client.test", ["b@mx2.example.com"], "Subject: across\n\nHello.")
        (message,) = two.received(25)
        assert message.peer == one.address


@pytest.mark.parametrize(("postfix", "systemd"), [(False, False), (True, False), (False, True), (True, True)])
def test_making_a_host_takes_about_a_second(*, postfix: bool, systemd: bool) -> None:
    started = time.monotonic()
    with Host(postfix=postfix, systemd=systemd):
        print(f"{postfix=} {systemd=}: {time.monotonic() - started:.2f} s")
