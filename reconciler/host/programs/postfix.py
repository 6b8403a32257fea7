"""Postfix's own commands, each as argv and a pure parser of its output, for the instance of one directory.

Promises: every command names its directory (``-c``). check() is as strong as ``postfix check`` about a configuration
and touches nothing; live() asks once for all that others need to know, and answers whatever has become of main.cf.
Raises CommandFailed for a command that fails without saying why, or not in time; check() returns findings instead.

check() stands in for ``postfix check``, which takes 0.3 s because it walks the installed package in shell, makes the
folders that the candidate's queue_directory lacks, scans the whole queue, and tells its reasons to the mail log alone.
What it says about a configuration comes from mail_params_init(), which every Postfix command runs (postmap tells
standard error), from the folders it enters, from paths that its post-install wants absolute, and from the service that
maillog_file needs. Of 1,043 parameters set to nonsense it refuses 76, and so does check(), with postconf's warnings on
top.

Known limits: a warning without a line is placed by searching the file for its words. ``postfix check`` also complains
about owners and modes of installed files, of which only the candidate's own are looked at here.
"""

from __future__ import annotations

import fcntl
import math
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.programs import daemons, postconf, service_check, systemd
from reconciler.host.programs.postconf import AGE, FOLDERS, MAIN, MASTER, PATHS, POSTCONF, installed
from reconciler.host.programs.quick_start import quick_start
from reconciler.model import Finding, Severity, Where
from reconciler.model.ascii_text import SPACE, is_digits, split_lines, split_words
from reconciler.model.errors import CommandFailed
from reconciler.model.hidden_values import shown
from reconciler.postfix.scopes import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.host.effects import Completed, Host

STOCK_DIRECTORY = Path("/etc/postfix")
START_TIMEOUT = 120.0
STOP_PATIENCE = 5.0
_PASSING = re.compile(r"unknown (?:user|group)|No such file|not a directory|not owned by root|writable by others")
_OTHERS = 0o022


@dataclass(frozen=True, slots=True)
class Instance:
    """A Postfix instance: its configuration *directory*, and the values of its LIVE parameters with $names expanded."""

    directory: Path
    values: Mapping[str, str]

    @property
    def queue_directory(self) -> Path:
        """Where the queue is."""
        return Path(self.values["queue_directory"])

    @property
    def pid_file(self) -> Path:
        """The file that master(8) writes its process id to and keeps locked while it runs."""
        return self.queue_directory / self.values["process_id_directory"] / "master.pid"


def live(host: Host, directory: Path) -> Instance:
    """Return what this directory's main.cf makes of postconf.LIVE; one that is missing or broken leaves defaults."""
    try:
        text = (directory / MAIN).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        text = b""
    try:
        values = postconf.values(host, text)
    except CommandFailed as error:
        if error.status is None:
            raise
        values = postconf.values(host, b"")
    own = (postconf.OWN_FOLDER, str(directory))
    return Instance(directory, {name: value.replace(*own) for name, value in values.items()})


# ---- checking a directory that is not live ---------------------------------------------------------------------------


def check(host: Host, directory: Path) -> list[Finding]:
    """Have Postfix's own programs read a staged directory, at the same time; about 20 ms."""
    stage = str(directory)
    files = {name: (directory / name).read_text("utf-8", "surrogateescape") for name in (MAIN, MASTER)}
    with ThreadPoolExecutor(1) as threads:
        opened = threads.submit(host.run, ("postmap", "-c", stage, "-q", "x", "static:x"))
        completed = [*service_check.ask(host, directory, files, installed()), opened.result()]
    for one in completed:
        if one.argv[-1] == service_check.EVALUATED:
            postconf.keep(host, files[MAIN].encode("utf-8", "surrogateescape"), directory, one)
    values = live(host, directory).values
    findings = [finding for one in completed for finding in complaints(one, stage, files)]
    if not findings:
        for one in completed:
            one.checked()
    findings += unusable_paths(values, files)
    return list(dict.fromkeys([*findings, *_loose_files(directory)]))


def complaints(completed: Completed, stage: str, files: Mapping[str, str]) -> Iterator[Finding]:
    """Every line of standard error is a finding, exit status 0 notwithstanding."""
    program = Path(completed.argv[0]).name
    for line in split_lines(completed.stderr):
        text = re.sub(r"^\S*\w: (?:(?:warning|error|fatal|panic): )?", "", line, flags=re.ASCII).strip(SPACE)
        if text and not text.endswith("makedefs.out"):  # Debian's own link, which Debian's own check complains about
            yield _placed(program, text, stage, files)


def _placed(rule: str, text: str, stage: str, files: Mapping[str, str]) -> Finding:
    """Find the place a message speaks of in the staged files."""
    inside = rf"(?:file )?(?:{re.escape(stage)}/)?(?P<file>main\.cf|master\.cf)"
    match = re.match(inside + r"(?:[,:] line (?P<line>\d+))?: (?P<what>.*)", text, re.ASCII)
    file, what = (match["file"], match["what"]) if match else ("", text.replace(f"{stage}/", ""))
    if match and match["line"]:
        where = Where(file, int(match["line"]))
    else:
        where = _search(what, [file] if file else [MAIN, MASTER], files)
    what = _GIVEN.sub(lambda said: f"{said[1]}={shown(said[2], said[3])}", what)
    lasting = not _PASSING.search(what)
    return Finding(rule=rule, where=where, text=what, subject=_subject(what), lasting=lasting)


_NAMED = re.compile(
    r"""(?:unused\ parameter:|overriding\ earlier\ entry:|configuration:|config\ variable|parameter)\ (?P<set>\w+)
    | undefined\ parameter:\ (?P<used>\w+)
    | (?:in|reference:|nesting:|name:)\ "(?P<quoted>[^"]+)"$""",
    re.VERBOSE | re.ASCII,
)

_GIVEN = re.compile(r"((?:unused parameter|overriding earlier entry): ([^\s=]+))=(.*)", re.ASCII)


def _subject(what: str) -> str:
    match = _NAMED.search(what)
    return next(word for word in match.groups() if word) if match else what


def _search(what: str, names: Iterable[str], files: Mapping[str, str]) -> Where:
    """The first line that holds what the message names, else the first line of all."""
    match, names = _NAMED.search(what), list(names)
    if match:
        word = re.escape(_subject(what))
        if match["set"]:
            pattern = rf"\b{word}\s*="
        elif match["used"]:
            pattern = rf"\$[({{]?{word}\b"
        else:
            pattern = r"\s+".join(re.escape(part) for part in split_words(match["quoted"]))
        for name in names:
            if found := re.search(pattern, files[name]):
                return Where(name, files[name].count("\n", 0, found.start()) + 1)
    return Where(names[0])


def unusable_paths(values: Mapping[str, str], files: Mapping[str, str]) -> Iterator[Finding]:
    """What ``postfix check`` refuses in its own script, from the *values* and the text of the *files*."""
    for name in FOLDERS:
        value = values.get(name, "")
        if value and not (name == "shlib_directory" and value == "no") and not Path(value).is_dir():
            yield _about(name, f'{name}: "{value}" is not a directory', files)
    for name in PATHS:
        value = values.get(name, "")
        if value and value != "no" and not value.startswith("/"):
            yield _about(name, f'{name}: expected an absolute path, got "{value}"', files)
    if values.get("maillog_file") and not re.search(r"^postlog\s+unix-dgram\s", files[MASTER], re.MULTILINE | re.ASCII):
        yield _about("maillog_file", "maillog_file needs the service postlog/unix-dgram, which is missing", files)


def _about(name: str, text: str, files: Mapping[str, str]) -> Finding:
    where = _search(f"parameter {name}", [MAIN], files)
    return Finding(rule="postfix-check", where=where, text=text, subject=name, lasting=not _PASSING.search(text))


def _loose_files(directory: Path) -> Iterator[Finding]:
    """Files of the candidate that another user than root owns or may write (root programs read them)."""
    for path in sorted(directory.rglob("*")):
        status, name = path.lstat(), str(path.relative_to(directory))
        if status.st_uid:
            text = f"{name}: not owned by root"
        elif status.st_mode & _OTHERS and not path.is_symlink():
            text = f"{name}: writable by others than its owner"
        else:
            continue
        yield Finding(
            rule="postfix-check", where=Where(name), text=text, subject=name, severity=Severity.WARNING, lasting=False
        )


# ---- what runs -------------------------------------------------------------------------------------------------------


def running(instance: Instance) -> int | None:
    """The process id of this instance's master, or None; by its lock on the pid file, as ``master -t`` looks.

    The lock is only tried while a process of that id exists, so that a master which is just starting never meets ours.
    """
    pid = last_pid(instance)
    if pid is None or not Path(f"/proc/{pid}").exists():
        return None
    with instance.pid_file.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return pid
    return None


def processes(instance: Instance) -> frozenset[int]:
    """Return the process ids of this instance's master, the last one if none runs, and of the daemons it runs now."""
    pid = last_pid(instance)
    if pid is None:
        return frozenset()
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii") if running(instance) is not None else ""
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        children = ""
    return frozenset({pid, *map(int, split_words(children))})


def children(instance: Instance) -> frozenset[int]:
    """Return the process ids of the daemons that this instance's master runs now."""
    return processes(instance) - {last_pid(instance) or 0}


def last_pid(instance: Instance) -> int | None:
    """The id of the master that runs or ran last: the pid file stays behind, however a master ends.

    None for that of another instance, whose queue a main.cf that is edited, broken or missing may name.
    """
    try:
        text = instance.pid_file.read_text("ascii").strip(SPACE)
    except (FileNotFoundError, NotADirectoryError):
        return None
    pid = int(text) if is_digits(text) else None
    return None if pid is None or daemons.is_of_another(pid, instance.directory) else pid


def reload(host: Host, instance: Instance, *, rehash: bool = False) -> None:
    """Make the running master read its configuration again.

    SIGHUP is all that ``postfix reload`` does for that (1 ms instead of 40). *rehash*, for a change of hash_queue_names
    or hash_queue_depth, runs the whole command, which sorts the queue files into their new folders first.
    Raises CommandFailed when no master runs.
    """
    pid = running(instance)
    if pid is None:
        argv = ("kill", "-HUP", str(instance.pid_file))
        raise CommandFailed(argv, 1, "the Postfix mail system is not running")
    if rehash:
        host.act(("postfix", "-c", str(instance.directory), "reload")).checked()
    else:
        host.signal(pid, signal.SIGHUP)


def start(host: Host, instance: Instance, before: Instance | None = None) -> None:
    """Start it, through its systemd unit where it has one, else in a new one: systemd owns the processes, not we.

    *before* is the instance as it ran until now, if that is known.
    """
    if (last := last_pid(instance)) and running(instance) is None:
        daemons.end_listening(host, last, Path(instance.values["daemon_directory"]))
    with quick_start(host, before.values if before else None, instance.values):
        _start(host, instance)


def _start(host: Host, instance: Instance) -> None:
    unit = unit_of(host, instance)
    if unit is None:
        command = (str(POSTCONF.with_name("postfix")), "-c", str(instance.directory))
        argv: tuple[str, ...] = (*command, "start")
        if systemd.is_running():
            argv = systemd.apart(argv, (*command, "stop"), f"Postfix of {instance.directory}")
        done = host.act(argv, timeout=START_TIMEOUT)
        if done.status and not comes_up(instance):  # what an old master left may have held a port: it is gone by now
            host.act(argv, timeout=START_TIMEOUT).checked()
        return
    # To systemd a unit whose master died may still be active, and a start would do nothing. A few starts in ten
    # seconds exhaust its patience (start-limit-hit) unless told to forget them. It refuses that for a unit that it has
    # not loaded, which has failed at nothing.
    host.act(systemd.reset_failed(unit))
    host.act(systemd.restart(unit), timeout=START_TIMEOUT).checked()


def comes_up(instance: Instance) -> bool:
    """Whether a master runs within two seconds: another start, or one that was cut short, came first."""
    for _ in range(40):
        if running(instance) is not None:
            return True
        time.sleep(0.05)
    return False


def stop(host: Host, instance: Instance) -> None:
    """Stop it and wait for its end, through its systemd unit where that started it; one that is dead is fine.

    Without a unit this does what ``postfix stop`` does, which would look for the master where the main.cf that is live
    by now says, not where this instance runs.
    """
    unit = unit_of(host, instance)
    if unit is not None:
        host.act(systemd.stop(unit), timeout=START_TIMEOUT).checked()
    pid = running(instance)
    if pid is None:
        return
    host.signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_PATIENCE
    while running(instance) == pid:
        if time.monotonic() > deadline:
            host.signal(-pid, signal.SIGKILL)  # the master leads the process group of all its daemons
            deadline = math.inf
        time.sleep(0.01)
    while daemons.of(pid) and time.monotonic() < deadline:  # they hold the listening sockets a moment longer
        time.sleep(0.01)


def restart(host: Host, instance: Instance, before: Instance | None = None) -> None:
    """Stop and start it; *before* is the instance as it runs, which a change of queue_directory makes another one."""
    ran = before if before and running(before) is not None else None
    stop(host, before or instance)
    start(host, instance, ran)


def unit_of(host: Host, instance: Instance) -> str | None:
    """The systemd unit that runs this instance: its master's cgroup says so, else systemd's list of units."""
    if not systemd.is_running():
        return None
    candidates, useless = _units(host, instance)
    pid = running(instance)
    own = systemd.unit_of_process(pid) if pid is not None else None
    if own and own not in candidates and own not in {useless, systemd.unit_of_process(os.getpid())}:
        candidates.insert(0, own)
    elif own in candidates:
        return own
    return next((unit.name for unit in systemd.show(host, candidates) if unit.runs("post")), None)


def _units(host: Host, instance: Instance) -> tuple[list[str], str]:
    """Return the units that may start this instance, and one of its name that can't.

    Debian's unit of an instance calls postmulti(1), which starts only what the default one lists and what is enabled.
    """
    is_on = instance.values.get("multi_instance_enable", "").lower() == "yes"
    if is_stock(instance.directory):
        alone = not words(instance.values.get("multi_instance_directories", ""))
        return (["postfix.service", "postfix@-.service"], "") if is_on or alone else ([], "postfix@-.service")
    name = instance.values.get("multi_instance_name", "")
    unit = f"postfix@{name}.service" if name else ""
    listed = words(live(host, STOCK_DIRECTORY).values.get("multi_instance_directories", "")) if unit else []
    is_listed = any(is_same(instance.directory, Path(one)) for one in listed)
    return ([unit], "") if is_on and is_listed else ([], unit)


def age(host: Host, directory: Path) -> None:
    """Set the time of an edited main.cf back, for which every Postfix program would wait."""
    main = directory / MAIN
    if main.is_file() and main.stat().st_mtime > time.time() - AGE:
        host.set_time(main, time.time() - AGE)


def is_stock(directory: Path) -> bool:
    """Return whether this is the directory that programs of Postfix use when none is named."""
    return is_same(directory, STOCK_DIRECTORY)


def is_same(one: Path, other: Path) -> bool:
    """Return whether two configuration directories are one; the link of an adopted one leads to a generation."""
    return one == other or one.resolve() == other.resolve()
