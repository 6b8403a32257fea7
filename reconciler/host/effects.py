"""Change the host: the only module that runs other programs and changes the file system.

Reading is not an effect. Each method marked with @effect changes the host, is atomic or idempotent by itself, and calls
before() and after(), which a test replaces to kill the process at any of them.

Promises: when a method that says "durably" returns, its content and its name are on disk, in that order: the bytes are
flushed and fsynced before a name leads to them, and the folder after. write(), copy(), link(), set_time() and folders
that are not *lasting* are durable after sync(). A removal is not durable: a loss of power may bring the file back.

Raises OSError as the kernel gives it, CommandFailed when a program does not end in time or prints without end, and
Stopping for a program that stop() ended or forbids.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import grp
import math
import os
import pwd
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, NamedTuple, ParamSpec, TypeVar

from reconciler.host import copying
from reconciler.host.mounts import mounts_in
from reconciler.host.pipes import MOST_OUTPUT, Interrupted, Limits, TooMuch, exchange
from reconciler.model.ascii_text import is_digits
from reconciler.model.errors import CommandFailed, Stopping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

P = ParamSpec("P")
R = TypeVar("R")
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
_LAST_WORDS = 1.0
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TERM": "dumb"}


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that has ended."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    def checked(self) -> Completed:
        """Return itself if it succeeded; else raise CommandFailed with its last output."""
        if self.status:
            raise CommandFailed(self.argv, self.status, self.stderr or self.stdout)
        return self


Method = Callable[Concatenate["Host", P], R]


def effect(method: Method[P, R]) -> Method[P, R]:
    """Mark a method that changes the host."""

    def counted(self: Host, /, *args: P.args, **kwargs: P.kwargs) -> R:
        self.before(method.__name__)
        result = method(self, *args, **kwargs)
        self.after(method.__name__)
        return result

    return functools.update_wrapper(counted, method)


def _as(owner: tuple[int, int] | None) -> tuple[str, ...]:
    """Return what runs a program as another user: only a child without an identity of its own needs no copy of us."""
    if owner in {None, (os.geteuid(), os.getegid())}:
        return ()
    return ("setpriv", f"--reuid={owner[0]}", f"--regid={owner[1]}", "--clear-groups", "--")


def _shown(argv: Sequence[str]) -> str:
    """Return the beginning of a command, without what act() puts before it."""
    own = argv[len(_WITH_US) :] if tuple(argv[: len(_WITH_US)]) == _WITH_US else argv
    return " ".join(own[:3])


class Progress(NamedTuple):
    """The program that a thread runs, and when it must have ended; without one, when the last one ended."""

    program: str = ""
    until: float = -math.inf


_at: dict[int, Progress] = {}


def progress(thread: int) -> Progress:
    """Return what a thread is doing, by its number (threading.get_ident())."""
    return _at.get(thread, Progress())


class _OfThread(threading.local):
    """The programs of a thread: whether stop() spares them, when they must have ended, and the one of ahead()."""

    spared = False
    until = math.inf

    def __init__(self) -> None:
        self.begun: dict[tuple[str, ...], subprocess.Popen[bytes]] = {}


_of_thread = _OfThread()


class Host:
    """The real host."""

    _stopped = False

    def stop(self) -> None:
        """End the programs that run, and run no more, except those of spared(); safe in a signal handler."""
        self._stopped = True

    @contextmanager
    def spared(self) -> Iterator[None]:
        """Let this thread run its programs to their end, even after stop(): half an activation would stop mail."""
        before, _of_thread.spared = _of_thread.spared, True
        try:
            yield
        finally:
            _of_thread.spared = before

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Limit the time of all the programs together that this thread runs here."""
        before, _of_thread.until = _of_thread.until, min(_of_thread.until, time.monotonic() + seconds)
        try:
            yield
        finally:
            _of_thread.until = before

    def before(self, what: str) -> None:
        """Called right before each effect."""

    def after(self, what: str) -> None:
        """Called right after each effect."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 60,
        input: bytes | None = None,  # noqa: A002 - as subprocess calls it
        env: Mapping[str, str] | None = None,
        owner: tuple[int, int] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        """Run a program that only reads; *owner* is the uid and gid to run it as. Its process group ends with it."""
        limits = self._limits(timeout)
        process = _of_thread.begun.pop(tuple(argv), None) or _start(
            (*_as(owner), *argv), is_fed=input is not None, env=env, cwd=cwd
        )
        said: dict[str, bytearray] = {}
        me = threading.get_ident()
        _at[me] = Progress(_shown(argv), time.monotonic() + limits.seconds)
        try:
            exchange(process, input or b"", limits, said)
        except TimeoutError:
            raise CommandFailed(argv, None, _end(process, said)) from None
        except TooMuch:
            _end(process, said)
            raise CommandFailed(argv, None, "", f"printed more than {MOST_OUTPUT >> 20} MiB") from None
        except Interrupted:
            _end(process, said)
            raise Stopping(f"{argv[0]}: reconciler is stopping") from None
        except BaseException:  # Ctrl-C does not reach a program in a session of its own
            _end(process, said)
            raise
        finally:
            _at[me] = Progress(until=time.monotonic())
        text = [bytes(said[name]).decode("utf-8", "surrogateescape") for name in ("stdout", "stderr")]
        return Completed(tuple(argv), process.returncode, *text)

    def _limits(self, seconds: float) -> Limits:
        """Return the limits for a program that this thread runs now; raise Stopping if it may run none."""
        spared = _of_thread.spared
        if self._stopped and not spared:
            raise Stopping("reconciler is stopping")
        return Limits(min(seconds, _of_thread.until - time.monotonic()), lambda: self._stopped and not spared)

    @effect
    def act(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 60,
        input: bytes | None = None,  # noqa: A002 - as subprocess calls it
        env: Mapping[str, str] | None = None,
        owner: tuple[int, int] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        """Run a program that changes something; it is killed with this process, so it can't run beside recovery."""
        done = self.run((*_WITH_US, *argv), timeout=timeout, input=input, env=env, owner=owner, cwd=cwd)
        return replace(done, argv=tuple(argv))

    @contextmanager
    def ahead(self, argv: Sequence[str]) -> Iterator[None]:
        """Begin a program that act() will probably run here, which then only has to be given its input.

        It waits for its input, and is ended if act() does not run it.
        """
        with suppress(OSError):  # act() tells why
            if (own := (*_WITH_US, *argv)) not in _of_thread.begun:
                _of_thread.begun[own] = _start(own, is_fed=True)
        try:
            yield
        finally:
            while _of_thread.begun:
                _end(_of_thread.begun.popitem()[1], {})

    def become(self, user: str) -> None:
        """Switch this process to that user permanently; it keeps no other rights."""
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)

    @effect
    def signal(self, pid: int, number: int) -> None:
        """Send a signal."""
        os.kill(pid, number)

    @effect
    def make_directory(self, path: Path, mode: int = 0o755, *, lasting: bool = True) -> None:
        """Make a folder and its parents, if they are missing; *mode* applies whatever the umask is.

        They are durable if *lasting*; the folders of a stage become durable with their files, by sync().
        """
        new = [folder for folder in (path, *path.parents) if lasting and not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        for folder in reversed(new):
            fsync(folder.parent)

    @effect
    def write(self, path: Path, content: bytes, mode: int = 0o644, owner: str = "", mtime: float | None = None) -> None:
        """Write a new file or overwrite an old one; it is at no time more readable than *mode* allows."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            if owner:
                os.fchown(descriptor, *_ids(owner, path))
            os.fchmod(descriptor, mode)
        if mtime is not None:
            os.utime(path, (mtime, mtime))

    @effect
    def replace(self, path: Path, content: bytes, mode: int = 0o600) -> None:
        """Put a file in another's place by one rename, durably: readers see the old whole or the new whole."""
        beside = path.with_name(f".{path.name}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        beside.rename(path)
        fsync(path.parent)

    @effect
    def append(self, path: Path, content: bytes) -> None:
        """Add to the end of a file, durably; the reader drops a torn last line."""
        new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        if new:
            fsync(path.parent)

    @effect
    def copy(self, source: Path, target: Path) -> None:
        """Copy a file or an empty folder with mode, owner and times; sockets and pipes are left out."""
        copying.copy(source, target)

    @effect
    def copy_whole(self, source: Path, target: Path) -> None:
        """Copy a folder of another user with everything in it, into a folder that only root can enter."""
        copying.copy_whole(source, target)

    @effect
    def share(self, source: Path, target: Path) -> None:
        """Give a file a second name, so that it is edited in both places; it is copied to another file system."""
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copying.copy(source, target)

    @effect
    def link(self, path: Path, to: Path, like: Path) -> None:
        """Make a symbolic link with the owner that the link *like* has."""
        status = like.lstat()
        path.unlink(missing_ok=True)
        path.symlink_to(to)
        os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)

    @effect
    def set_time(self, path: Path, mtime: float) -> None:
        """Set a file's times."""
        os.utime(path, (mtime, mtime))

    @effect
    def symlink(self, path: Path, to: Path) -> None:
        """Point the link *path* to another target by one rename, durably."""
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        beside.symlink_to(to)
        beside.rename(path)
        fsync(path.parent)

    @effect
    def rename(self, source: Path, target: Path, *, lasting: bool = True) -> None:
        """Rename within a file system; durably if *lasting*, as for make_directory()."""
        source.rename(target)
        for folder in dict.fromkeys((target.parent, source.parent)) if lasting else ():
            fsync(folder)

    @effect
    def exchange(self, one: Path, other: Path) -> None:
        """Exchange two paths in one step, renameat2(2) with RENAME_EXCHANGE; within one file system."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.renameat2(_AT_FDCWD, bytes(one), _AT_FDCWD, bytes(other), _RENAME_EXCHANGE):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(one))
        fsync(one.parent)
        fsync(other.parent)

    @effect
    def remove(self, path: Path) -> None:
        """Remove a file, a link or a folder, but none with a mount point in it; a missing one is no error."""
        if path.is_dir() and not path.is_symlink():
            if points := mounts_in(path):  # its files are not ours, and would go first
                raise OSError(errno.EBUSY, "is a mount point", str(points[0]))
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    @effect
    def sync(self, folder: Path) -> None:
        """Make a file, or a folder and everything below it, durable; its own name is the caller's."""
        if not folder.is_dir():
            fsync(folder)
        for directory, _, names in os.walk(folder):
            for name in names:
                path = Path(directory, name)
                if path.is_file() and not path.is_symlink():
                    fsync(path)
            fsync(Path(directory))


def _start(
    argv: Sequence[str], *, is_fed: bool, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, with pipes for what it prints and, if *is_fed*, for its input."""
    return subprocess.Popen(  # noqa: S603 - argv is ours, never a shell's
        argv, stdin=subprocess.PIPE if is_fed else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=_ENVIRONMENT | dict(env or {}), cwd=cwd, start_new_session=True,
    )  # fmt: skip


def _end(process: subprocess.Popen[bytes], said: dict[str, bytearray]) -> str:
    """Kill a program with its group and return its last output; a process outside the group may hold the pipes."""
    os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError, TooMuch):
        exchange(process, b"", Limits(_LAST_WORDS), said)
    with suppress(subprocess.TimeoutExpired):  # it hangs in the kernel
        process.wait(_LAST_WORDS)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()
    return said.get("stderr", bytearray()).decode(errors="replace")


def fsync(path: Path) -> None:
    """Have a file's content, or the names in a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _ids(owner: str, path: Path) -> tuple[int, int]:
    """Return the uid and gid for a file; raise OSError if there is no such user or group any more."""
    try:
        return numeric(owner)
    except KeyError as error:
        raise OSError(errno.EINVAL, f"can't belong to {owner}, which this host does not know", str(path)) from error


def numeric(owner: str) -> tuple[int, int]:
    """Return the uid and gid of ``user:group``; an unknown name must be a number, else raise KeyError."""
    user, _, group = owner.partition(":")
    gid = int(group) if is_digits(group) else grp.getgrnam(group).gr_gid
    return uid_of(user), gid


def uid_of(user: str) -> int:
    """Return a user's uid, by its name or its number; raise KeyError for an unknown name."""
    return int(user) if is_digits(user) else pwd.getpwnam(user).pw_uid


def named(uid: int, gid: int) -> str:
    """Return ``user:group`` for a uid and gid, as numbers if there are no names."""
    try:
        user = _user(uid)
    except KeyError:
        user = str(uid)
    try:
        group = _group(gid)
    except KeyError:
        group = str(gid)
    return f"{user}:{group}"


@functools.cache
def _user(uid: int) -> str:
    return pwd.getpwuid(uid).pw_name


@functools.cache
def _group(gid: int) -> str:
    return grp.getgrgid(gid).gr_name


def user_of(uid: int) -> str:
    """Return a user's name, or its number if it has none."""
    return named(uid, 0).partition(":")[0]
