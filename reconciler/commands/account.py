"""Where a value comes from: who wrote it, what it prevails over, what it was before, and where it is not in force.

Pure: what was found out on the host comes as values, and leaves as an Account, its lines, and its data. Raises Unknown
for a parameter or a service that this Postfix and this configuration don't have.

Known limit: a value that refers to others ($name) is accounted for as it is written, and the others are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.commands.contract import override_line
from reconciler.model import did_you_mean, printable
from reconciler.model.errors import ReconcilerError
from reconciler.postfix.syntax import one_line
from reconciler.postfix.vocabulary import per_service

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from reconciler.desired.overrides import Override
    from reconciler.model import Facts, Revision, Service, Where

DEFAULT = "Postfix's default"
_WIDTH = 22


class Unknown(ReconcilerError):  # noqa: N818 - as in errors.py
    """The parameter or service that was asked for is not there."""


# ---- what was asked --------------------------------------------------------------------------------------------------


def service_named(text: str, known: Collection[str]) -> str:
    """The service ``NAME/TYPE`` that was meant by *text*, whose type may be left out where there is only one."""
    if text in known:
        return text
    candidates = sorted(key for key in known if key.rpartition("/")[0] == text)
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise Unknown(f'service "{text}" is {" or ".join(candidates)}: say which')
    names = {*known, *(key.rpartition("/")[0] for key in known)}
    raise Unknown(f'there is no service "{text}"{did_you_mean(text, sorted(names))}')


def default_of(name: str, facts: Facts, written: Collection[str], services: Sequence[Service]) -> str | None:
    """Postfix's default, None for a name that only this configuration gives a meaning; raises Unknown."""
    theirs = per_service(list(services))
    if name in facts.parameters:
        return facts.parameters[name]
    if name in theirs:
        return f"${theirs[name]}"
    options = {option.name for service in services for option in service.overrides}
    if name in written or name in options:
        return None
    hint = did_you_mean(name, sorted({*facts.parameters, *theirs, *written, *options}))
    raise Unknown(f'Postfix {facts.version} knows no parameter "{name}", and nothing here sets it{hint}')


# ---- the account -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who asked for a value: a *key* of the desired state at *where*, last changed by *commit*.

    *instead* says why no commit did.
    """

    value: str | None
    key: str = ""
    where: Where | None = None
    commit: Revision | None = None
    instead: str = ""

    def line(self, label: str, middle: str) -> str:
        """One line of an account."""
        place = f"{self.where.file}:{self.where.line}" if self.where else ""
        when = f"{self.commit.short}  {self.commit.committed_at:%Y-%m-%d %H:%M} UTC" if self.commit else ""
        first, *rest = [text for text in (middle or place, when or self.instead) if text] or [""]
        return f"  {label:<{_WIDTH}}  {'  '.join([f'{first:<24}' if rest else first, *rest])}".rstrip()

    @property
    def data(self) -> dict[str, Any]:
        """The same for programs."""
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
    """All that is known of one value: *origin* now, *before* it; *elsewhere* are services with one of their own."""

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
        """Who sets it: a key of the desired state, without what the question says already."""
        return self.origin.key.removesuffix(f".options.{self.name}") or ("set in" if self.origin.where else DEFAULT)

    @property
    def _head(self) -> str:
        value = self.origin.value if self.origin.value is not None else self.default
        return f"{self.name}{f'@{self.service}' if self.service else ''} = {value or ''}".rstrip()

    def why_lines(self) -> Iterator[str]:
        """``reconciler why``: who asked for it, since when, what it was, and where it is not in force."""
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
        """``reconciler get``: value, default, meaning and origin."""
        yield printable(self._head)
        if self.meaning:
            yield f"  {'meaning':<{_WIDTH}}  {printable(self.meaning)}"
        else:
            yield f"  {'meaning':<{_WIDTH}}  see postconf(5): its manual page is not installed, or does not have it"
        yield self._default_line()
        place = f"{self.origin.where.file}:{self.origin.where.line}" if self.origin.where else ""
        by = " at ".join(filter(None, (self._by if self.origin.key or not place else "", place)))
        yield printable(f"  {'origin':<{_WIDTH}}  {by}{f' ({self.origin.instead})' if self.origin.instead else ''}")
        yield from self._elsewhere_lines()

    def _default_line(self) -> str:
        default = "(none: only this configuration knows the name)" if self.default is None else self.default
        return printable(f"  {DEFAULT:<{_WIDTH}}  {default or '(empty)'}")

    def _elsewhere_lines(self) -> Iterator[str]:
        for service, value in (self.elsewhere or {}).items():
            yield printable(f"  {'not in force for':<{_WIDTH}}  {service:<24}  -o {self.name}={value}")

    @property
    def data(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "parameter": self.name, "service": self.service or None, "default": self.default,
            "meaning": self.meaning or None, **self.origin.data,
            "before": self.before.data if self.before else None,
            "prevails_over": override_line(self.overrides) if self.overrides else None,
            "not_in_force_for": dict(self.elsewhere or {}),
        }  # fmt: skip


def options_of(name: str, services: Sequence[Service]) -> dict[str, str]:
    """The services that give the parameter a value of their own."""
    return {
        service.key: one_line(option.value)
        for service in services
        for option in service.overrides
        if option.name == name
    }
