"""Write the services submission and submissions as ``submission``, and what they have beside it under ``services``.

Pure; raises nothing. Each service keeps the value of every parameter. What the section sets and the service took from
main.cf becomes an option of its own with the same value, so that it no longer follows main.cf; that is to be confirmed.

Known limits: a service on port 465 with another name, such as smtps, stays in master.d; and so does all if the section
would save no line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.desired.offers.mail_text import before_parameters
from reconciler.desired.offers.master_text import WRITTEN_ANEW, is_outside_chroot, without_services
from reconciler.desired.offers.offer import MAIL, NotOffered, Offer, saved
from reconciler.desired.yaml_editor import scalars
from reconciler.features import services, submission
from reconciler.model import UNWRITTEN
from reconciler.postfix.levels import at_level, level_of
from reconciler.postfix.restrictions import LISTS
from reconciler.postfix.scopes import Scope, words
from reconciler.postfix.syntax import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.desired.offers.offer import Ground
    from reconciler.model import Service

_FIRST, _SECOND = "submission", "submissions"
_TLS, _WRAPPED, _LOGIN = "smtpd_tls_security_level", "smtpd_tls_wrappermode", "smtpd_sasl_auth_enable"
_OF_WORDS = {*LISTS, "local_header_rewrite_clients"}
_FIELDS = {"private": "private", "unpriv": "unprivileged", "wakeup": "wakeup", "maxproc": "maxproc"}


def find(ground: Ground) -> Offer | NotOffered | None:
    """Offer the section."""
    found = {one.name: one for one in ground.desired.services if one.type == "inet" and one.name in {_FIRST, _SECOND}}
    if not found or ground.desired.section(submission.Schema) is not None:
        return None
    problem = next(filter(None, (_problem(one, ground) for one in found.values())), "")
    if not problem and _FIRST not in found:
        problem = f"{_SECOND}/inet stands alone, and the section has port 465 only beside 587"
    if not problem and ground.desired.section(services.Schema) is not None:
        problem = "mail.yaml has services already, which may change these too"
    changes = {one.key: _changes(one, ground) for one in found.values()}
    if problem or None in changes.values():
        return NotOffered(problem or "an option has a value that YAML can't hold")
    return _offer(found, {key: lines for key, lines in changes.items() if lines}, ground)


def _offer(found: Mapping[str, Service], changes: Mapping[str, list[str]], ground: Ground) -> Offer | NotOffered:
    taken = without_services(ground, found.values())
    values = "enabled: yes, wrapper: " + ("yes" if _SECOND in found else "no")
    section = [line for one in found.values() if one.key not in changes for line in taken.comments[one.key]]
    section.append(f"{submission.SECTION}: {{{values}}}")
    if changes:
        section += ["", f"{services.SECTION}:"]
        section += [f"  {line}" for key, lines in changes.items() for line in (*taken.comments[key], *lines)]
    files = {MAIL: before_parameters(ground.mail, section).encode(), **taken.files}
    if saved(ground.files, files) <= 0:
        return NotOffered("its options differ from those of the section, which would save no line")
    keys = frozenset(one.key for one in found.values())
    return Offer(
        summary=f"write {' and '.join(found)} as a section ({values})", files=files, moved=keys, restated=keys,
        confirm=(WRITTEN_ANEW, *(text for one in found.values() for text in _told(one))),
    )  # fmt: skip


def _problem(service: Service, ground: Ground) -> str:
    """Return why the section can't say the same as a service; empty if it can."""
    scope = Scope(ground.origin, ground.facts, service)
    is_wrapped = scope.is_on(_WRAPPED)
    if service.command != "smtpd" or service.arguments:
        return f"{service.key} runs {' '.join((service.command, *service.arguments))}, and not smtpd alone"
    if is_wrapped != (service.name == _SECOND):
        return f"{service.key} has {_WRAPPED} = {scope.value(_WRAPPED)}"
    if not is_wrapped and scope.value(_TLS).lower() != "encrypt":
        return f"{service.key} takes mail without TLS ({_TLS} = {scope.value(_TLS) or 'empty'})"
    return "" if scope.is_on(_LOGIN) else f"{service.key} knows no logins ({_LOGIN} = {scope.value(_LOGIN)})"


def _changes(service: Service, ground: Ground) -> list[str] | None:
    """Return the lines of ``services`` for what the section does not say; None if YAML can't hold a value."""
    stock = submission.service_for(service.name, UNWRITTEN)
    fields = {key: getattr(service, name) for key, name in _FIELDS.items()}
    lines = [f"  {key}: {scalars(value)[0]}" for key, value in fields.items() if value != getattr(stock, _FIELDS[key])]
    if not is_outside_chroot(service, ground):
        lines.append("  chroot: y")
    options = dict(_options(service, ground))
    raw = {name: next(iter(scalars(value)), None) if value else '""' for name, value in options.items()}
    if None in raw.values():
        return None
    if raw:
        lines += ["  options:", *(f"    {name}: {value}" for name, value in raw.items())]
    return [f"{service.key}:", *lines] if lines else []


def _options(service: Service, ground: Ground) -> Iterator[tuple[str, str]]:
    """Yield the options that the service needs beside the section to mean the same."""
    stock = submission.service_for(service.name, UNWRITTEN).options
    for name, value in service.options.items():
        if name not in stock or not _is_same(name, value, stock[name]):
            yield name, one_line(value)
    for name in _untold(service):
        value = _of_main(name, ground)
        if not _is_same(name, value, stock[name]):
            yield name, one_line(value)


def _untold(service: Service) -> list[str]:
    """Return the options of the section that the service does not have, so that main.cf decides."""
    stock = submission.service_for(service.name, UNWRITTEN)
    return [name for name in stock.options if name not in service.options]


def _of_main(name: str, ground: Ground) -> str:
    """Return the value of a parameter in main.cf, with all names in it as they are."""
    if written := ground.origin.parameters.get(name):
        return written.value
    return at_level(ground.facts.parameters.get(name, ""), level_of(ground.origin, ground.facts))


def _is_same(name: str, value: str, other: str) -> bool:
    read = words if name in _OF_WORDS else str.split
    return read(one_line(value)) == read(one_line(other))


def _told(service: Service) -> Iterator[str]:
    """Yield what to confirm: the parameters in which the service no longer follows main.cf."""
    if names := _untold(service):
        yield f"{service.key} has main.cf's present value of {', '.join(names)}, and no longer follows main.cf there"
