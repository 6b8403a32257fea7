"""What Postfix's own commands print, read as it was recorded from Postfix 3.7.11 on Debian 12."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path

import pytest

from reconciler.host.maillog import LogFile
from reconciler.host.programs import postconf, postfix, systemd
from reconciler.model import Finding, Where
from reconciler.model.errors import CommandFailed
from reconciler.postfix.log import was_stopped
from reconciler.rehearsal.inside import laid
from tests.unit.recorded_host import STAGE, TRANSCRIPTS, RecordedHost, commands, transcript


def findings(case: str) -> list[Finding]:
    """Return what the commands of a staged directory complained about, each once."""
    folder = TRANSCRIPTS / "stage" / case
    files = {name: (folder / name).read_text("utf-8") for name in ("main.cf", "master.cf")}
    completed = commands(f"stage/{case}/transcript")
    return list(dict.fromkeys(found for one in completed for found in postfix.complaints(one, STAGE, files)))


# What is wrong, its line, a word of the text, and the name it is about.
COMPLAINTS = {
    "unused-parameter": (Where("main.cf", 8), "unused parameter: my_thing=1", "my_thing"),
    "undefined-name": (Where("main.cf", 8), "undefined parameter: my_relays", "my_relays"),
    "set-twice": (Where("main.cf", 8), "overriding earlier entry: mynetworks", "mynetworks"),
    "no-equals-sign": (Where("main.cf", 8), "missing '='", "mynetworks 10.0.0.0/8"),
    "bad-number": (Where("main.cf", 8), "bad numerical configuration", "default_process_limit"),
    "bad-boolean": (Where("main.cf", 8), "bad boolean configuration", "soft_bounce"),
    "unknown-user": (Where("main.cf", 8), "unknown user name value: nosuch", "mail_owner"),
    "bad-hostname": (Where("main.cf", 2), "bad parameter value: bad..host", "myhostname"),
    "unclosed-brace": (Where("main.cf", 8), "truncated macro reference", "${nosuch"),
    "bad-service-type": (Where("master.cf", 8), 'invalid type field "inetx"', "extra inetx n - n - - smtpd"),
    "bad-field-count": (Where("master.cf", 8), "bad field count", "bad field count"),
    "misspelt-override": (Where("master.cf", 9), "unused parameter: smtp_helo_nme=foo", "smtp_helo_nme"),
    "unclosed-override": (Where("master.cf", 9), "missing '}'", "{ smtp_helo_name = foo"),
    "undefined-name-in-override": (Where("master.cf", 9), "undefined parameter: nosuch", "nosuch"),
}


@pytest.mark.parametrize("case", COMPLAINTS)
def test_every_line_of_standard_error_is_a_finding_at_its_place(case: str) -> None:
    where, text, subject = COMPLAINTS[case]
    assert [one for one in findings(case) if one.where == where and text in one.text and one.subject == subject]


def test_a_healthy_directory_has_no_findings() -> None:
    assert findings("healthy") == []


def test_what_the_commit_alone_does_not_decide_is_of_the_moment() -> None:
    assert [one.lasting for one in findings("unknown-user")] == [False]
    assert all(one.lasting for one in findings("bad-number"))


def test_debians_own_link_is_no_finding() -> None:
    completed = commands("stage/healthy/transcript")[0]
    line = "postfix/postfix-script: warning: symlink leaves directory: /etc/postfix/./makedefs.out\n"
    debian = type(completed)(completed.argv, 0, "", line)
    assert list(postfix.complaints(debian, STAGE, {"main.cf": "", "master.cf": ""})) == []


def test_no_finding_has_the_password_that_postconf_quotes() -> None:
    completed = commands("stage/healthy/transcript")[0]
    said = f"postconf: warning: {STAGE}/main.cf{{}}: {{}}: relay_pass={{}}\n".format
    lines = said("", "unused parameter", "ganz geheim") + said(", line 2", "overriding earlier entry", "geheim")
    told = type(completed)(completed.argv, 0, "", lines)
    found = [*postfix.complaints(told, STAGE, {"main.cf": "\nrelay_pass = x\n", "master.cf": ""})]
    assert [one.text.partition(": ")[2] for one in found] == ["relay_pass=(secret)"] * 2
    assert {(one.subject, one.where.line) for one in found} == {("relay_pass", 2)}


def test_folders_and_paths_that_postfix_check_refuses_are_findings(tmp_path: Path) -> None:
    values = {"queue_directory": str(tmp_path / "nosuch"), "mailq_path": "mailq", "maillog_file": "/var/log/pf.log"}
    files = {"main.cf": "a = b\nqueue_directory = x\n", "master.cf": "smtp inet n - n - - smtpd\n"}
    found = list(postfix.unusable_paths(values, files))
    assert [one.subject for one in found] == ["queue_directory", "mailq_path", "maillog_file"]
    assert found[0].where == Where("main.cf", 2)
    files["master.cf"] = "postlog    unix-dgram n - n - 1 postlogd\n"
    assert list(postfix.unusable_paths({"maillog_file": "/var/log/pf.log"}, files)) == []


def test_the_whole_of_master_cf_is_read_by_one_program_alone(tmp_path: Path) -> None:
    """It takes a millisecond more for each service."""
    (tmp_path / "main.cf").write_text("maillog_file = /var/log/pf.log\n")
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    here = transcript("postconf-x.txt")
    values = {**dict.fromkeys((" -n", "postmap"), ""), " -x": f"{here}\nmaillog_file = /var/log/pf.log\n"}
    host = RecordedHost(values)
    found = postfix.check(host, tmp_path)
    assert "maillog_file needs the service postlog/unix-dgram, which is missing" in [one.text for one in found]
    assert sorted(line.split()[3] for line in host.asked if str(tmp_path) in line) == ["-q", "-x"]


def test_live_values_come_from_one_call(tmp_path: Path) -> None:
    host = RecordedHost({"-x": transcript("postconf-x.txt")})
    instance = postfix.live(host, tmp_path)
    assert len(host.asked) == 1
    assert str(instance.pid_file) == "/var/spool/postfix/pid/master.pid"


def instance_in(folder: Path, pid: object) -> postfix.Instance:
    """Return an instance whose pid file says this."""
    (folder / "pid").mkdir()
    (folder / "pid/master.pid").write_text(f"{pid!s:>32}\n")
    return postfix.Instance(folder, {"queue_directory": str(folder), "process_id_directory": "pid"})


def test_a_master_runs_only_while_it_holds_the_lock(tmp_path: Path) -> None:
    instance = instance_in(tmp_path, os.getpid())
    assert postfix.running(instance) is None
    with instance.pid_file.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert postfix.running(instance) == os.getpid()
    assert postfix.last_pid(instance) == os.getpid()


@pytest.mark.parametrize(("named", "ours"), [("own", True), ("link", True), ("other", False), ("", True)])
def test_a_master_that_another_instance_started_is_not_ours(tmp_path: Path, named: str, ours: bool) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "link").symlink_to("own")
    env = {"MAIL_CONFIG": str(tmp_path / named)} if named else {}
    with subprocess.Popen(["/bin/sleep", "60"], env=env) as master:
        try:
            while named and b"MAIL_CONFIG=" not in Path(f"/proc/{master.pid}/environ").read_bytes():
                time.sleep(0.01)
            assert (postfix.last_pid(instance_in(tmp_path / "own", master.pid)) == master.pid) is ours
        finally:
            master.kill()


@pytest.mark.parametrize(
    ("listed", "enabled", "unit"),
    [
        ("/etc/postfix-in, /etc/postfix-out", "yes", "postfix@postfix-out.service"),
        ("/etc/postfix-in /etc/postfix-out/", "yes", "postfix@postfix-out.service"),
        ("/etc/postfix-in", "yes", None),
        ("/etc/postfix-out", "no", None),
    ],
)
def test_a_unit_starts_only_an_instance_that_postmulti_starts(
    monkeypatch: pytest.MonkeyPatch, listed: str, enabled: str, unit: str | None
) -> None:
    def show(_: object, names: list[str]) -> list[systemd.Unit]:
        command = "{ path=/usr/sbin/postmulti ; }"
        return [systemd.Unit(name=name, loaded=True, active="", sub="", result="", command=command) for name in names]

    monkeypatch.setattr(systemd, "is_running", lambda: True)
    monkeypatch.setattr(systemd, "show", show)
    monkeypatch.setattr(
        postfix, "live", lambda *_: postfix.Instance(Path("/x"), {"multi_instance_directories": listed})
    )
    values = {
        "multi_instance_name": "postfix-out", "multi_instance_enable": enabled, "queue_directory": "/nonexistent",
        "process_id_directory": "pid",
    }  # fmt: skip
    assert postfix.unit_of(RecordedHost({}), postfix.Instance(Path("/etc/postfix-out"), values)) == unit


@pytest.mark.parametrize(
    ("recorded", "unit"),
    [("systemctl-show.txt", "postfix@-.service"), ("systemctl-show-debian-13.txt", "postfix.service")],
)
def test_the_unit_of_the_default_instance_is_the_one_that_starts_postfix(
    recorded: str, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "is_running", lambda: True)
    blocks = {
        parsed.name: block for block in transcript(recorded).split("\n\n") for parsed in systemd.parse_show(block)
    }
    answer = "\n\n".join(blocks[name] for name in ("postfix.service", "postfix@-.service"))
    host = RecordedHost({"-- postfix.service postfix@-.service": answer})
    instance = postfix.Instance(postfix.STOCK_DIRECTORY, {"process_id_directory": "pid", "queue_directory": "/nosuch"})
    assert postfix.unit_of(host, instance) == unit


def test_without_a_pid_file_nothing_runs(tmp_path: Path) -> None:
    instance = postfix.Instance(tmp_path, {"queue_directory": str(tmp_path), "process_id_directory": "pid"})
    assert postfix.running(instance) is None
    with pytest.raises(CommandFailed, match="not running"):
        postfix.reload(RecordedHost({}), instance)


@pytest.mark.parametrize(
    ("log", "pid", "stopped"), [("stopped", 211, True), ("killed", 491, False), ("fatal", 603, False)]
)
def test_the_mail_log_tells_a_stopped_master_from_a_dead_one(log: str, pid: int, stopped: bool) -> None:
    recorded = LogFile(TRANSCRIPTS / f"mail-log-{log}.txt")
    assert was_stopped(recorded.last_of("master", pid)) is stopped
    assert was_stopped(recorded.last_of("master", 4711)) is None


def test_a_rehearsal_which_imports_nothing_makes_main_cf_as_old_as_the_host_does() -> None:
    assert laid.AGE == postconf.AGE
