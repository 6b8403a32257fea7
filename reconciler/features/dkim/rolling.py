"""Roll a DKIM key so that receivers can verify every signature: publish, wait, switch, keep, expire.

The stage of a roll follows from the section ``dkim`` and the time alone, and each step returns the changes to that
section. Pure: time enters as an argument. Raises TooEarly for a step that must wait.

Known limit: it does not check that a key is really published.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.model import SecretName
from reconciler.model.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.features.dkim.section import DkimKey, Schema

KEPT = timedelta(days=7)
"""The time that signed mail may be in transit, in queues that retry for days."""
Values = dict[str, Any]


class TooEarly(ReconcilerError):  # noqa: N818 - as in errors.py
    """The operator must wait, or do another step first; the text says which."""


class KeyState(StrEnum):
    """The stage of one key."""

    SIGNING = "signing"
    WAITING = "waiting"
    READY = "ready"
    KEPT = "kept"
    EXPIRED = "expired"


class Standing(NamedTuple):
    """One key: its stage, the end of the stage, and the next step in *then*."""

    selector: str
    state: KeyState
    until: datetime | None = None
    then: str = ""

    def __str__(self) -> str:
        meaning = _MEANING[self.state]
        until = f" until {_text(self.until)}" if self.until else ""
        return f"DKIM key {self.selector} {meaning}{until}" + (f"; then {self.then}" if self.then else "")

    @property
    def data(self) -> dict[str, str | None]:
        """The same as JSON values."""
        until = _text(self.until) if self.until else None
        return {"selector": self.selector, "stage": self.state.value, "until": until}


_MEANING = {
    KeyState.SIGNING: "signs",
    KeyState.WAITING: "is published and waits",
    KeyState.READY: "is ready to sign",
    KeyState.KEPT: "is kept for mail in transit",
    KeyState.EXPIRED: "can be removed",
}


def standings(section: Schema, now: datetime) -> list[Standing]:
    """Return the stage of every key of the section."""
    standings = [Standing(section.selector, KeyState.SIGNING)] if section.selector and section.signs else []
    if section.next:
        until = published_everywhere(section)
        state, moment = (KeyState.WAITING, until) if until > now else (KeyState.READY, None)
        standings.append(Standing(section.next.selector, state, moment, "`reconciler dkim roll`"))
    if section.previous:
        until = section.previous.since + max(KEPT, section.ttl)
        state, moment = (KeyState.KEPT, until) if until > now else (KeyState.EXPIRED, None)
        standings.append(Standing(section.previous.selector, state, moment, "`reconciler dkim expire`"))
    return standings


def published_everywhere(section: Schema) -> datetime:
    """Return when no name server can hold an answer from before *next*; for a first key, no server holds one."""
    if section.next is None:
        raise TooEarly("no key is waiting; make one with `reconciler dkim new SELECTOR`")
    return section.next.since + (section.ttl if section.selector else timedelta(0))


def begin(section: Schema | None, selector: str, secret: str, now: datetime) -> Values:
    """Publish a new key, which does not sign yet."""
    if section and section.next:
        what = f'key "{section.next.selector}" is already waiting; run `reconciler dkim roll` to sign with it'
        raise TooEarly(what)
    if section and selector in {key.selector for key in section.keys.values()}:
        raise TooEarly(f'selector "{selector}" is in use; a new key needs a selector of its own')
    return {"next": {"selector": selector, "key": SecretName(secret), "since": _text(now)}}


def switch(section: Schema, now: datetime, *, hurry: bool = False) -> Values:
    """Sign with the key that waits, and keep the previous one."""
    until = published_everywhere(section)
    waiting, old = section.next, section.keys.get(())
    if waiting is None or (until > now and not hurry):
        what = f"some name servers may not know the key before {_text(until)}; use --now to switch anyway"
        raise TooEarly(what)
    if old and section.previous and _state_of(section, section.previous, now) is KeyState.KEPT and not hurry:
        raise TooEarly(f'key "{section.previous.selector}" is kept for mail in transit; use --now to remove it anyway')
    values: Values = {"selector": waiting.selector, "key": waiting.key, "next": None}
    if old:
        values["previous"] = {"selector": old.selector, "key": old.key, "since": _text(now)}
    return values


def expire(section: Schema, now: datetime, *, hurry: bool = False) -> Values:
    """Remove the key that was kept."""
    if section.previous is None:
        raise TooEarly("no key is kept, so there is none to remove")
    until = section.previous.since + max(KEPT, section.ttl)
    if until > now and not hurry:
        what = (
            f'mail signed with "{section.previous.selector}" may be in transit until {_text(until)}; use --now to'
            " remove the key anyway"
        )
        raise TooEarly(what)
    return {"previous": None}


def _state_of(section: Schema, key: DkimKey, now: datetime) -> KeyState:
    return next(standing.state for standing in standings(section, now) if standing.selector == key.selector)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
