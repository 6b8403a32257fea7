"""A connection to a remote, by git and ssh that run as a user without rights.

Promises: what a connection may take is limited: the time without a word, the time as a whole, and the bytes that come
at once. git checks each object that it receives, and what it leaves of objects that did not all arrive is removed.
Nothing is asked on a terminal, and ssh accepts no host key that is not in the administrator's file. The private key and
the token stay root's: git's user gets a copy in a folder that only it can read, and only during a connection.

Raises RemoteFailed with what to do, and OSError from the file system.

Known limits: an exchange can't be continued after its time is over, so the whole history must arrive within TIMEOUT.
The proxy and the certificates of https are the system's, or those that `git config` sets in the mirror.
"""

from __future__ import annotations

import base64
import os
import pwd
import re
import shlex
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.model import printable
from reconciler.model.ascii_text import SPACE, split_lines
from reconciler.model.errors import CommandFailed, Unavailable
from reconciler.repository import git
from reconciler.repository.create import MAX_PUSH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.host.effects import Completed, Host
    from reconciler.host.settings import Settings
    from reconciler.model.remote_url import RemoteUrl

TIMEOUT = 300.0
"""Seconds for one exchange as a whole."""
SILENCE = 10
"""Seconds until a connection must be there, and for one that says nothing."""
FETCH = "the remote can't be fetched"
_LOGIN = "reconciler"
"""The user name for a token of https, where the address has none: the forges look at the token alone."""
_MOST_SAID = 200
_LIMITS = ("prlimit", f"--fsize={MAX_PUSH}", "--core=0", "--")
_CHECKED = {
    "transfer.fsckObjects": "true", "fetch.fsckObjects": "true", "credential.helper": "",
    "http.lowSpeedLimit": "1", "http.lowSpeedTime": str(SILENCE), "http.followRedirects": "false",
}  # fmt: skip
_SSH = (
    "ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
    "-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null", "-o", "UpdateHostKeys=no",
    "-o", "ClearAllForwardings=yes", "-o", "ControlPath=none", "-o", "LogLevel=ERROR",
    "-o", f"ConnectTimeout={SILENCE}", "-o", f"ServerAliveInterval={SILENCE // 2}", "-o", "ServerAliveCountMax=2",
)  # fmt: skip
_TRY_AGAIN = "reconciler fetch, when {host} answers again"
_PIN = "ssh-keyscan {port}{host} >> {known_hosts}, and compare the key with the one that the forge publishes"
_CAUSES = (
    (
        re.compile("Host key verification failed|host key is known for"),
        "the key of {host} is not in {known_hosts}",
        _PIN,
    ),
    (
        re.compile(r"Permission denied \("),
        "{host} does not accept the key {key}",
        "add {key}.pub to the forge as a deploy key, then reconciler fetch",
    ),
    (
        re.compile("Authentication failed|could not read (?:Username|Password)|prompts disabled|error: 40[13]"),
        "{host} does not accept the token in {key}",
        "write a valid token to {key}, then reconciler fetch",
    ),
    (
        re.compile("couldn't find remote ref|[Cc]ould not find remote branch"),
        "it has no branch {branch}",
        "push {branch} there, then reconciler fetch",
    ),
    (
        re.compile(r"signal 25|File too large|\A[ \n]*fatal: fetch-pack: invalid index-pack output"),
        f"it sends more than {MAX_PUSH >> 20} MiB at once, or more than this host's memory holds",
        "remove what is large from its history",
    ),
    (re.compile("cannot run ssh"), "the program ssh is missing", "apt-get install openssh-client"),
    (re.compile("No space left on device"), "the disk is full", "df -h {mirror}, and make room there"),
)


class RemoteFailed(Unavailable):
    """Nothing can be exchanged with the remote now; *advice* is what to do about it.

    *passes* if it may end by itself, as what has no known cause does.
    """

    def __init__(self, text: str, advice: str, *, passes: bool = False) -> None:
        super().__init__(text)
        self.advice, self.passes = advice, passes


def explained(said: str, words: Mapping[str, object]) -> tuple[str, str]:
    """Return why git failed, and what to do, from what it printed: the known cause, else its first line."""
    for pattern, why, advice in _CAUSES:
        if pattern.search(said):
            return why.format(**words), advice.format(**words)
    lines = (printable(line.strip(SPACE)) for line in split_lines(said))
    return next(filter(None, lines), "git gave no reason")[:_MOST_SAID], _TRY_AGAIN.format(**words)


class Connection:
    """Connections between the remote *url* and its *mirror*, whose folder is root's and has room for the keys."""

    def __init__(self, url: RemoteUrl, mirror: Path, settings: Settings, host: Host) -> None:
        self.url, self.mirror = url, mirror
        self._settings, self._host = settings, host

    @property
    def user(self) -> pwd.struct_passwd:
        """The user that git runs as: the one of the settings, or the only one that this process can be."""
        if os.geteuid():
            return pwd.getpwuid(os.geteuid())
        name = self._settings.user
        try:
            return pwd.getpwnam(name)
        except KeyError:
            make = f"adduser --system --group --no-create-home --home /nonexistent {name}"
            why = f"{FETCH}: there is no user {name}, whom git runs as (repository.user)"
            raise RemoteFailed(why, f"{make}, then reconciler fetch") from None

    def act(self, argv: tuple[str, ...], env: Mapping[str, str] = git.ENVIRONMENT) -> Completed:
        """Run a program as git's user."""
        user = self.user
        owner = None if os.geteuid() else (user.pw_uid, user.pw_gid)
        return self._host.act(argv, env=env, owner=owner, cwd=Path("/"), timeout=TIMEOUT)

    def talk(self, what: str, *argv: str) -> Completed:
        """Run a git command that talks to the remote, to its end; *what* begins the text of a RemoteFailed."""
        with self._keys() as own:
            env = {**git.ENVIRONMENT, **own, "GIT_ALLOW_PROTOCOL": self.url.scheme}
            try:
                done = self.act((*_LIMITS, *git.command(self.mirror, _CHECKED), *argv), env)
            except CommandFailed as error:
                self.sweep()
                raise self.failed(what, f"no end within {TIMEOUT:g} s\n{error.stderr}") from None
        if done.status:
            self.sweep()
        return done

    def sweep(self) -> None:
        """Remove what git leaves of objects that did not all arrive: retries would fill the disk."""
        with suppress(CommandFailed):
            self.act(("find", str(self.mirror / "objects"), "-name", "tmp_*", "-type", "f", "-delete"))

    def failed(self, what: str, said: str) -> RemoteFailed:
        """Return the error for what git printed."""
        words = self._words()
        why, advice = explained(said, words)
        return RemoteFailed(f"{what}: {why}", advice, passes=advice == _TRY_AGAIN.format(**words))

    def serve(self, program: str) -> tuple[str, ...]:
        """Return the option for the remote's end, where that is a folder: it may belong to another user."""
        option = {"upload-pack": "--upload-pack", "receive-pack": "--receive-pack"}[program]
        return (f"{option}=git -c 'safe.directory=*' {program}",) if self.url.scheme == "file" else ()

    # ---- keys --------------------------------------------------------------------------------------------------------

    @contextmanager
    def _keys(self) -> Iterator[Mapping[str, str]]:
        """Give git's user what it needs to log in, and take it away again; yield the environment that says so."""
        if self.url.scheme != "ssh":
            yield self._token() if self.url.scheme == "https" else {}
            return
        file = self._settings.key
        key = self._needed(file, f'ssh-keygen -q -t ed25519 -N "" -f {file}, and add {file}.pub to the forge')
        known = self._needed(self._settings.known_hosts, _PIN.format(**self._words()))
        own_key, own_known = (self.mirror.with_name(name) for name in ("key", "known_hosts"))
        mode, owner = (0o600, "") if os.geteuid() else (0o640, f"0:{self.user.pw_gid}")
        try:
            self._host.write(own_known, known, mode, owner)
            self._host.write(own_key, key, mode, owner)
            options = ("-i", str(own_key), "-o", f"UserKnownHostsFile={own_known}")
            yield {"GIT_SSH_COMMAND": shlex.join((*_SSH, *options)), "GIT_SSH_VARIANT": "ssh"}
        finally:
            self._host.remove(own_key)

    def _token(self) -> Mapping[str, str]:
        """Return the login of https for git; none without a token, as for a public repository."""
        if not self._settings.key.exists():
            return {}
        token = self._needed(self._settings.key, _TRY_AGAIN.format(**self._words())).strip(SPACE.encode())
        pair = base64.b64encode(f"{self.url.user or _LOGIN}:".encode() + token).decode()
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self.url}.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {pair}",
        }

    def _needed(self, path: Path, advice: str) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise RemoteFailed(f"{FETCH}: {path}: {error.strerror}", advice) from None

    def _words(self) -> Mapping[str, object]:
        settings = self._settings
        return {
            "host": self.url.host or self.url.path,
            "port": f"-p {self.url.port} " if self.url.port else "",
            "key": settings.key,
            "known_hosts": settings.known_hosts,
            "branch": settings.branch,
            "mirror": self.mirror,
        }
