"""The origin of a value: who wrote it, what it overrides, its value before, and the services that override it.

Pure: the input is values that were read on the host; the output is an Account, its lines and its data. Raises Unknown
for a parameter or a service that this Postfix and this configuration don't have.

Known limit: a value that refers to other parameters ($name) is shown as written; the other parameters are not shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.commands.contract import override_line
from reconciler.model import did_you_mean, printable
from reconciler.model.ascii_text import SPACE
from reconciler.model.errors import ReconcilerError
from reconciler.model.service_index import ServiceIndex
from reconciler.postfix.syntax import one_line
from reconciler.postfix.vocabulary import ServiceLimits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from reconciler.desired.overrides import Override
    from reconciler.model import Facts, Revision, Service, Where

DEFAULT = "Postfix's default"
_WIDTH = 22


class Unknown(ReconcilerError):  # noqa: N818 - as in errors.py
    """The requested parameter or service does not exist."""


# ---- the question ----------------------------------------------------------------------------------------------------


def service_named(text: str, known: Collection[str]) -> str:
    """Return the service ``NAME/TYPE`` that *text* means; the type can be omitted where the name is unique."""
    if text in known:
        return text
    candidates = sorted(key for key in known if key.rpartition("/")[0] == text)
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise Unknown(f'"{text}" is the name of several services; write {" or ".join(candidates)}')
    names = {*known, *(key.rpartition("/")[0] for key in known)}
    raise Unknown(f'there is no service "{text}"{did_you_mean(text, sorted(names))}')


def default_of(name: str, facts: Facts, written: Collection[str], services: Sequence[Service]) -> str | None:
    """Return Postfix's default, or None for a name that only this configuration defines; raises Unknown."""
    theirs = ServiceLimits(ServiceIndex(services))
    if name in facts.parameters:
        return facts.parameters[name]
    if name in theirs:
        return f"${theirs[name]}"
    options = {option.name for service in services for option in service.overrides}
    if name in written or name in options:
        return None
    hint = did_you_mean(name, sorted({*facts.parameters, *theirs, *written, *options}))
    raise Unknown(f'Postfix {facts.version} has no parameter "{name}", and this configuration does not set it{hint}')


# ---- the account -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The origin of a value: a *key* of the desired state at *where*, last changed by *commit*.

    *instead* is the reason when no commit set the value.
    """

    value: str | None
    key: str = ""
    where: Where | None = None
    commit: Revision | None = None
    instead: str = ""

    def line(self, label: str, middle: str) -> str:
        """Return one line of an account."""
        place = f"{self.where.file}:{self.where.line}" if self.where else ""
        when = f"{self.commit.short}  {self.commit.committed_at:%Y-%m-%d %H:%M} UTC" if self.commit else ""
        first, *rest = [text for text in (middle or place, when or self.instead) if text] or [""]
        return f"  {label:<{_WIDTH}}  {'  '.join([f'{first:<24}' if rest else first, *rest])}".rstrip(SPACE)

    @property
    def data(self) -> dict[str, Any]:
        """The data of the JSON output."""
        commit = self.commit
        return {
            "value": self.value, "key": self.key or None, "where": str(self.where) if self.where else None,
            "revision": commit.oid if commit else None,
            "committed_at": commit.committed_at.isoformat() if commit else None,
            "author": commit.author if commit else None, "subject": commit.subject if commit else None,
            "instead": self.instead or None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Everything known about one value: its *origin*, the value *before*, and services *elsewhere* with their own."""

    name: str
    service: str
    default: str | None
    origin: Origin
    before: Origin | None = None
    overrides: Override | None = None
    elsewhere: Mapping[str, str] | None = None
    meaning: str = ""

    @property
    def _by(self) -> str:
        """The origin of the value: a key of the desired state, without the parameter's own name."""
        return self.origin.key.removesuffix(f".options.{self.name}") or ("set in" if self.origin.where else DEFAULT)

    @property
    def _head(self) -> str:
        value = self.origin.value if self.origin.value is not None else self.default
        return f"{self.name}{f'@{self.service}' if self.service else ''} = {value or ''}".rstrip(SPACE)

    def why_lines(self) -> Iterator[str]:
        """Yield the lines of ``reconciler why``: origin, commit, the value before, and overrides by services."""
        yield printable(self._head)
        yield printable(self.origin.line(self._by, ""))
        if self.overrides:
            below = self.overrides.below
            place = f"{below.where.file}:{below.where.line}"
            yield printable(f"  {f'prevails over {below.section}':<{_WIDTH}}  {place:<24}  {below.value}")
        if self.before:
            was = self.before.value
            yield printable(self.before.line("before it", DEFAULT if was is None else was or "(empty)"))
        if self.origin.value is not None:
            yield self._default_line()
        yield from self._elsewhere_lines()

    def get_lines(self) -> Iterator[str]:
        """Yield the lines of ``reconciler get``: value, default, meaning and origin."""
        yield printable(self._head)
        if self.meaning:
            yield f"  {'meaning':<{_WIDTH}}  {printable(self.meaning)}"
        else:
            yield f"  {'meaning':<{_WIDTH}}  see postconf(5): its manual page is not installed or lacks it"
        yield self._default_line()
        place = f"{self.origin.where.file}:{self.origin.where.line}" if self.origin.where else ""
        by = " at ".join(filter(None, (self._by if self.origin.key or not place else "", place)))
        yield printable(f"  {'origin':<{_WIDTH}}  {by}{f' ({self.origin.instead})' if self.origin.instead else ''}")
        yield from self._elsewhere_lines()

    def _default_line(self) -> str:
        default = "(none: only this configuration defines the name)" if self.default is None else self.default
        return printable(f"  {DEFAULT:<{_WIDTH}}  {default or '(empty)'}")

    def _elsewhere_lines(self) -> Iterator[str]:
        for service, value in (self.elsewhere or {}).items():
            yield printable(f"  {'not in force for':<{_WIDTH}}  {service:<24}  -o {self.name}={value}")

    @property
    def data(self) -> dict[str, Any]:
        """The data of the JSON output."""
        return {
            "parameter": self.name, "service": self.service or None, "default": self.default,
            "meaning": self.meaning or None, **self.origin.data,
            "before": self.before.data if self.before else None,
            "prevails_over": override_line(self.overrides) if self.overrides else None,
            "not_in_force_for": dict(self.elsewhere or {}),
        }  # fmt: skip


def options_of(name: str, services: Sequence[Service]) -> dict[str, str]:
    """Return the services that override the parameter, with their values."""
    return {
        service.key: one_line(option.value)
        for service in services
        for option in service.overrides
        if option.name == name
    }
