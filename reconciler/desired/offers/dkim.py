"""Write what opendkim or rspamd signs as ``dkim``, with the key sealed, or say why not. Pure; raises nothing.

The domains, the selector and the key stay, and with them the record in DNS. What differs in how rspamd signs by the
section is to be confirmed.

Known limits: such a Milter is known by the name in its socket, or by the port that its package uses. dkimpy-milter
stays as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.desired.offers import opendkim, rspamd
from reconciler.desired.offers.mail_text import before_parameters, without
from reconciler.desired.offers.offer import MAIL, NotOffered, Offer
from reconciler.desired.yaml_editor import scalar
from reconciler.features.dkim import section as dkim
from reconciler.model import Secret
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.macros import MalformedMacro, references
from reconciler.postfix.scopes import Scope, scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.desired.offers.offer import Ground
    from reconciler.desired.offers.signing import Signing
    from reconciler.model import Contribution, Facts

_READERS = {"opendkim": opendkim.read, "rspamd": rspamd.read}
_SIGNERS = {
    "opendkim": re.compile(r"\bopendkim\b|:(?:8891|12301)\b", re.ASCII),
    "dkimpy-milter": re.compile(r"\bdkimpy|:8892\b", re.ASCII),
    "rspamd": re.compile(rf"\brspamd\b|:{dkim.PORT}\b", re.ASCII),
}
_WHY = "the section signs with one key of its own for all domains, and every message would get another signature"
_ONE = re.compile(
    r"(?P<plain>[^\s,{}]+)|\{\s*(?P<socket>[^\s,{}]+)(?:[\s,]+default_action\s*=\s*(?P<action>[a-z]+))?\s*\}", re.ASCII
)
_ASKED = re.compile(r"inet:(?:localhost|127\.0\.0\.1):([0-9]+)", re.ASCII)
_LISTENS = re.compile(r"inet:([0-9]+)(?:@(?:localhost|127\.0\.0\.1))?", re.ASCII)
_ACTION, _PROTOCOL, _MACROS = "milter_default_action", "milter_protocol", "milter_mail_macros"
_ACTIONS, _SPOKEN = ("tempfail", "accept"), "6"


def find(ground: Ground) -> Offer | NotOffered | None:
    """Offer the section, or return why there is no offer, if a Milter may sign."""
    if ground.desired.section(dkim.Schema) is not None:
        return None
    asked = next(asks(ground.origin, ground.facts), None)
    if asked is None:
        return None
    name, program = asked
    if program not in _READERS or ground.signer is None:
        why = "its files are not known" if program in _READERS else _WHY
        return NotOffered(f"{name} asks {program}, which may sign: {why}")
    main, signing = Scope(ground.origin, ground.facts), _READERS[program](ground.signer)
    if isinstance(signing, str):
        return NotOffered(signing)
    if problem := _of_postfix(main, signing, ground) or _of_host(signing, ground):
        return NotOffered(problem)
    return _offer(main, signing, ground)


def asks(origin: Contribution, facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield each list of Milters, with the program in it that may sign."""
    for scope in scopes(origin, facts):
        for parameter in scope.written:
            value = scope.value(parameter.name) if parameter.name in dkim.LISTS else ""
            if program := next((name for name, socket in _SIGNERS.items() if socket.search(value)), None):
                yield parameter.name, program


# ---- what the section can say ----------------------------------------------------------------------------------------


def _of_postfix(main: Scope, signing: Signing, ground: Ground) -> str:
    """Return why the section can't say what Postfix has; empty if it can."""
    for name in dkim.LISTS:
        if not (match := _ONE.fullmatch(main.value(name).strip(SPACE))):
            return f"{name} is {main.value(name) or 'empty'}, and the section asks one Milter alone, in both lists"
        if not _is_same(match["plain"] or match["socket"], signing.socket):
            own = signing.socket or "no socket that it names"
            return f"{name} is {main.value(name)}, and {signing.program} listens on {own}"
        if ground.written(name) is None:
            return f"{name} is not a parameter of mail.yaml"
    actions = _actions(main)
    if len(actions) != 1 or min(actions) not in _ACTIONS:
        done, known = " and ".join(sorted(actions)), " or ".join(_ACTIONS)
        return f"the action of Postfix while {signing.program} is down is {done}, and the section has {known}"
    if "{auth_authen}" not in main.words(_MACROS):
        return f"{_MACROS} lacks {{auth_authen}}, by which rspamd knows a login"
    return _of_services(ground)


def _of_services(ground: Ground) -> str:
    """Return which service of master.cf treats a Milter by itself; empty if none does."""
    for service in ground.origin.entries:
        for option in service.overrides:
            if (option.name in dkim.LISTS and option.value.strip(SPACE)) or option.name.startswith("milter_"):
                return f"{service.key} has {option.name} of its own"
    return ""


def _actions(main: Scope) -> set[str]:
    """Return what Postfix does while the Milter is down."""
    found = (_ONE.fullmatch(main.value(name).strip(SPACE)) for name in dkim.LISTS)
    return {(match and match["action"]) or main.value(_ACTION) for match in found}


def _is_same(milter: str, socket: str) -> bool:
    """Return whether Postfix asks at the socket that the program names; a path may be one in Postfix's chroot."""
    if (asked := _ASKED.fullmatch(milter)) and (listens := _LISTENS.fullmatch(socket)):
        return asked[1] == listens[1]
    asked_type, _, path = milter.partition(":")
    kind, _, own = socket.rpartition(":")
    is_path = asked_type in {"unix", "local"} and kind in {"unix", "local", ""} and own.startswith("/")
    return is_path and own.endswith(f"/{path.lstrip('/')}")


def _of_host(signing: Signing, ground: Ground) -> str:
    """Return why the host or the commit can't take the section; empty if it can."""
    if dkim.PROGRAM not in ground.facts.packages:
        return "the package rspamd, with which the section signs, is not installed"
    name = _secret(signing)
    return f"the commit has a secret {name} already" if ground.has_secret(name) else ""


def _secret(signing: Signing) -> str:
    return f"dkim-{signing.selector}"


# ---- the commit ------------------------------------------------------------------------------------------------------


def _offer(main: Scope, signing: Signing, ground: Ground) -> Offer | NotOffered:
    old = "" if main.value(_PROTOCOL) == _SPOKEN else main.value(_PROTOCOL)
    names = [*dkim.LISTS, *sorted(_named(ground)), *([_PROTOCOL] if old else [])]
    shorter = without(ground.mail, names)
    if {*shorter.names} != {*names}:
        return NotOffered(f"{min({*names} - {*shorter.names})} can't be taken out of mail.yaml at its place")
    lines = [*shorter.comments, f"{dkim.SECTION}:", f"  selector: {scalar(signing.selector)}"]
    lines += [f"  key: !secret {_secret(signing)}"]
    lines += [f"  domains: [{', '.join(map(scalar, signing.domains))}]"] * bool(signing.domains)
    networks = ", ".join(f'"{network}"' for network in signing.networks)
    lines += [f"  networks: [{networks}]"] * bool(networks)
    lines += ["  default_action: accept"] * ("accept" in _actions(main))
    lines += ["  only_sign: no"] * (signing.program == dkim.PROGRAM)
    return Offer(
        summary=f"write what {signing.program} signs as dkim ({signing.selector})",
        files={MAIL: before_parameters(shorter.text, lines).encode()},
        secret=Secret(_secret(signing), f"{signing.key.value.strip(SPACE)}\n"),
        changed=frozenset(names), confirm=tuple(_told(signing, old)),
    )  # fmt: skip


def _named(ground: Ground) -> set[str]:
    """Return the administrator's own parameters that the lists alone are written with."""
    options = (option for service in ground.origin.entries for option in service.overrides)
    written = ground.origin.parameters
    others = {one.value for one in (*written.values(), *options) if one.name not in dkim.LISTS}
    used = {name for asked in dkim.LISTS for name in _references(written[asked].value)}
    shared = {name for value in others for name in _references(value)}
    return (used & written.keys()) - ground.facts.parameters.keys() - shared


def _references(text: str) -> set[str]:
    try:
        return {*references(text)}
    except MalformedMacro:
        return set()


def _told(signing: Signing, protocol: str) -> Iterator[str]:
    """Yield what to confirm."""
    yield f"the private key is sealed in secrets/{_secret(signing)}.age; {signing.path} stays where it is"
    yield from signing.told
    if protocol:
        yield f"{_PROTOCOL} is left out: rspamd does not speak {protocol}"
