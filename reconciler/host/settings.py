"""Read this host's settings from a TOML file into one value, and find the files that ship with reconciler.

read_settings() reports every wrong key at once and never guesses. It raises BadSettings for a named file that is
missing, that is not TOML, or that holds unknown keys or wrong values. Without a file the defaults apply. The file of
an instance (host/instances.py) has defaults of its own.

Known limit: tomllib keeps no positions, so an error names the file and the key, and a line only for bad syntax.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import Field, dataclass, field, fields
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from reconciler.host.instances import DEFAULT_FILE, VARIABLE, file_of, installed, name_of, places
from reconciler.model import did_you_mean
from reconciler.model.ascii_text import SPACE
from reconciler.model.duration import read_duration
from reconciler.model.errors import BadSettings
from reconciler.model.remote_url import RemoteUrl, read_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.trees.ignore import Rule

MIRROR = Path("remote", "mirror.git")
"""The repository of a host that follows a remote, below the state."""
DriftPolicy = Literal["revert", "commit", "report"]
ConfirmMode = Literal["auto", "manual"]
LogFormat = Literal["auto", "console", "journal", "json"]
Switch = Literal["on", "off"]
ForgeKind = Literal["github", "gitlab", "forgejo"]
Shipped = Literal["templates", "hooks", "desired-state", "docs"]
_RULE_KEYS = ("what", "until", "why")
_RULE = '{what = "main.cf:smtpd_banner", until = 2026-12-31, why = "..."}'
_OF_PASSWORD = re.compile(r"://([^/@:]*):[^/@]*@", re.ASCII)
_API = re.compile(r"https://[!-~]+|http://(?:localhost|127\.0\.0\.1)(?::[0-9]+)?(?:/[!-~]*)?", re.ASCII)
_OWN = ("config_directory", "state", "backup", "repository", "identity", "key", "token")
_COMPILED = (".lmdb", ".db", ".cdb")
_SIZE, _POWERS = re.compile("([0-9]{1,6})([MG])"), {"M": 20, "G": 30}


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip(SPACE):
        raise ValueError("expected text in quotes")
    return value


def _path(value: object) -> Path:
    path = Path(_text(value))
    if not path.is_absolute():
        raise ValueError("expected an absolute path")
    return path


def _folders(value: object) -> tuple[Path, ...]:
    from reconciler.host.allowed_folders import folder  # noqa: PLC0415 - few settings have one, and all commands read them

    if not isinstance(value, list):
        raise ValueError('expected a list of folders such as ["/etc/policyd"]')  # noqa: TRY004 - as its readers expect
    return tuple(folder(_text(one)) for one in value)


def _url(value: object) -> RemoteUrl:
    return read_url(_text(value))


def _api(value: object) -> str:
    text = _text(value)
    if not _API.fullmatch(text):
        raise ValueError('expected an address such as "https://forge.example.com/api/v1"')
    return text


def _seconds(value: object) -> float:
    return read_duration(value if isinstance(value, str) else "").total_seconds()


def _some_time(value: object) -> float:
    seconds = _seconds(value)
    if not seconds:
        raise ValueError("expected a time longer than zero")
    return seconds


def _size(value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError('expected a size such as "256M" or "1G"')
    return int(match[1]) << _POWERS[match[2]]


def _one_of(choice: object) -> Callable[[object], object]:
    words = get_args(choice)

    def read(value: object) -> object:
        if value not in words:
            expected = ", ".join(f'"{word}"' for word in words)
            raise ValueError(f"expected one of {expected}", did_you_mean(str(value), words))
        return value

    return read


def _rules(value: object) -> tuple[Rule, ...]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list of rules such as {_RULE}")  # noqa: TRY004 - as its readers expect
    return tuple(_rule(one) for one in value)


def _rule(value: object) -> Rule:
    from reconciler.postfix.syntax import NAME  # noqa: PLC0415 - few settings have a rule, and all commands read them
    from reconciler.trees.ignore import MAIN, Rule  # noqa: PLC0415 - as above

    if not isinstance(value, dict) or value.keys() != {"what", "until", "why"}:
        wrong = [name for name in value if name not in _RULE_KEYS] if isinstance(value, dict) else []
        hint = f'; unknown key "{wrong[0]}"{did_you_mean(wrong[0], _RULE_KEYS)}' if wrong else ""
        raise ValueError(f"expected rules such as {_RULE}{hint}")
    file, colon, parameter = _text(value["what"]).partition(":")
    if colon and (file != MAIN or not NAME.match(parameter)):
        raise ValueError(f'expected the name of a file, or "{MAIN}:PARAMETER", got "{value["what"]}"')
    if file.startswith("/") or file.endswith(_COMPILED):
        meant = re.sub(r"^/(?:etc/postfix/)?|\.(?:lmdb|db|cdb)$", "", file)
        why = (
            "a compiled map follows its table; name the table"
            if file.endswith(_COMPILED)
            else "expected a path relative to the configuration directory"
        )
        raise ValueError(f'{why}; got "{file}"; did you mean {meant}?')
    return Rule(file, parameter, _end(value["until"]), _text(value["why"]))


def _end(value: object) -> datetime:
    """Return when a rule ends: a given day is included."""
    if isinstance(value, datetime):
        return value.astimezone()
    if isinstance(value, date):
        return datetime.combine(value + timedelta(days=1), time()).astimezone()
    raise ValueError('expected "until" to be a date without quotes, such as 2026-12-31')


def _key(name: str, read: Callable[[object], object]) -> dict[str, object]:
    """Return the metadata of a field: its key in the file, and the function that reads its value."""
    return {"key": name, "read": read}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The administrator's settings for this host; deploy/etc/reconciler.toml describes each key.

    *instance* is the name of the file in /etc/reconciler, and empty for the default instance.
    """

    instance: str = ""
    host: str = field(default_factory=lambda: os.uname().nodename, metadata=_key("host.name", _text))
    repository: Path = field(default=Path("/srv/mail-state.git"), metadata=_key("repository.path", _path))
    branch: str = field(default="main", metadata=_key("repository.branch", _text))
    url: RemoteUrl | None = field(default=None, metadata=_key("repository.url", _url))
    poll: float = field(default=60.0, metadata=_key("repository.poll", _seconds))
    push: Switch = field(default="off", metadata=_key("repository.push", _one_of(Switch)))
    key: Path = field(default=Path("/etc/reconciler/deploy_key"), metadata=_key("repository.key", _path))
    known_hosts: Path = field(
        default=Path("/etc/reconciler/known_hosts"), metadata=_key("repository.known_hosts", _path)
    )
    user: str = field(default="reconciler", metadata=_key("repository.user", _text))
    state: Path = field(default=Path("/var/lib/reconciler"), metadata=_key("state.directory", _path))
    backup: Path = field(default=Path("/var/backups/reconciler"), metadata=_key("state.backup", _path))
    config_directory: Path = field(default=Path("/etc/postfix"), metadata=_key("postfix.config_directory", _path))
    drift_policy: DriftPolicy = field(default="revert", metadata=_key("drift.policy", _one_of(DriftPolicy)))
    folders: tuple[Path, ...] = field(default=(), metadata=_key("files.folders", _folders))
    rehearsal: Switch = field(default="on", metadata=_key("rehearsal.mode", _one_of(Switch)))
    drift_ignore: tuple[Rule, ...] = field(default=(), metadata=_key("drift.ignore", _rules))
    identity: Path = field(default=Path("/etc/reconciler/identity.age"), metadata=_key("secrets.identity", _path))
    socket: Path = field(default=Path("/run/reconciler/control.sock"), metadata=_key("daemon.socket", _path))
    group: str | None = field(default=None, metadata=_key("daemon.group", _text))
    settle: float = field(default=1.5, metadata=_key("daemon.settle", _seconds))
    reload_interval: float = field(default=5.0, metadata=_key("daemon.reload_interval", _seconds))
    probation: float = field(default=300.0, metadata=_key("probation.time", _seconds))
    confirm_mode: ConfirmMode = field(default="auto", metadata=_key("confirm.mode", _one_of(ConfirmMode)))
    confirm_time: float = field(default=600.0, metadata=_key("confirm.time", _some_time))
    resync: float = field(default=300.0, metadata=_key("daemon.resync", _seconds))
    memory: int = field(default=256 << 20, metadata=_key("daemon.memory", _size))
    notify: Path | None = field(default=None, metadata=_key("notify.run", _path))
    forge: ForgeKind | None = field(default=None, metadata=_key("statuses.forge", _one_of(ForgeKind)))
    api: str = field(default="", metadata=_key("statuses.api", _api))
    token: Path = field(default=Path("/etc/reconciler/forge_token"), metadata=_key("statuses.token", _path))
    log_format: LogFormat = field(default="auto", metadata=_key("log.format", _one_of(LogFormat)))

    @property
    def label(self) -> str:
        """What people read: the host, with the instance such as mx1.example.com@out."""
        return f"{self.host}@{self.instance}" if self.instance else self.host


FIELDS: dict[str, Field[object]] = {one.metadata["key"]: one for one in fields(Settings) if one.metadata}
"""Every key of the settings file, as ``section.key``, with the field of Settings that holds it."""


def settings_file(path: Path | None = None) -> Path:
    """Return the settings file in use: the one named, $RECONCILER_SETTINGS, or that of $RECONCILER_INSTANCE."""
    given = os.environ.get("RECONCILER_SETTINGS")
    return path or (Path(given) if given else file_of(os.environ.get(VARIABLE, "")))


def defaults(file: Path) -> Settings:
    """Return the settings that a file without any key gives."""
    return Settings(**places(name_of(file)))  # type: ignore[arg-type] # each is of its field's type


def read_settings(path: Path | None = None) -> Settings:
    """Read the settings; only the default file may be missing."""
    file = settings_file(path)
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        if file == DEFAULT_FILE:
            return Settings()
        raise BadSettings(f"{file}: no such file{did_you_mean(name_of(file), installed())}") from None
    except OSError as error:
        raise BadSettings(f"{file}: {error.strerror}") from error
    except ValueError as error:  # bad TOML, and bytes that are not UTF-8
        raise BadSettings(f"{file}: {error}") from error
    return _settings(document, file)


def _settings(document: dict[str, object], file: Path) -> Settings:
    values = places(name_of(file))
    problems = []
    for key, value in _flat(document):
        if key not in FIELDS:
            problems.append(f'{file}: unknown key "{key}"{did_you_mean(key, FIELDS)}')
            continue
        try:
            values[FIELDS[key].name] = FIELDS[key].metadata["read"](value)
        except ValueError as error:
            expected, *hint = error.args
            problems.append(f"{file}: {key}: {expected}, got {_shown(value)}{''.join(hint)}")
    if "url" in values and "repository" in values:
        problems.append(f"{file}: repository.path: a host follows either repository.url or repository.path; remove one")
    if "forge" in values and "url" not in values:
        problems.append(f"{file}: statuses.forge: a commit has a status where repository.url leads to; set that too")
    if problems:
        raise BadSettings("\n".join(problems))
    if "url" in values:
        values["repository"] = Path(str(values.get("state", FIELDS["state.directory"].default)), MIRROR)
    settings = Settings(**values)  # type: ignore[arg-type] # each value was read by the reader of its own field
    if settings.folders:
        _raise_if_ours(settings, file)
    return settings


def _raise_if_ours(settings: Settings, file: Path) -> None:
    from reconciler.host.allowed_folders import raise_if_ours  # noqa: PLC0415 - as for folders

    own = [getattr(settings, name) for name in _OWN]
    try:
        raise_if_ours(settings.folders, own)
    except ValueError as error:
        raise BadSettings(f"{file}: files.folders: {error}") from error


def _flat(document: dict[str, object]) -> Iterator[tuple[str, object]]:
    for section, content in document.items():
        if not isinstance(content, dict):
            yield section, content
            continue
        for name, value in content.items():
            yield f"{section}.{name}", value


def _shown(value: object) -> str:
    if not isinstance(value, str):
        return str(value)
    shown = _OF_PASSWORD.sub(r"://\1:...@", value)
    return f'"{shown}"'


def shipped(name: Shipped) -> Path:
    """Find a folder that ships with reconciler: inside the installed package, or in the checkout around it."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "shipped" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise BadSettings(f'{package}: the folder "{name}" is missing from this installation; install it again')
