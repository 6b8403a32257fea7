"""Write relayhost and its login as ``smart_host``, with the password as a sealed secret. Pure; raises nothing.

Known limits: only a relay whose login is the only row of its table, and not on port 465, which needs a service of its
own. The table is read as Postfix reads it, from its map.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.desired.edits import SECRET
from reconciler.desired.offers.mail_text import before_parameters, with_values, without
from reconciler.desired.offers.offer import MAIL, NotOffered, Offer
from reconciler.desired.yaml_editor import scalars
from reconciler.features import smart_host
from reconciler.model import Secret
from reconciler.model.ascii_text import SPACE, split_lines
from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.scopes import Scope
from reconciler.postfix.syntax import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.desired.offers.offer import Ground

_MAPS, _LEVEL, _OPTIONS = "smtp_sasl_password_maps", "smtp_tls_security_level", "smtp_sasl_tls_security_options"
_WRITTEN = {"smtp_sasl_auth_enable": "yes", _OPTIONS: "noanonymous", _LEVEL: "encrypt"}
"""What the section sets by itself, beside the relay and its login."""
_WRAPPED = re.compile(r":(?:465|smtps|submissions)\Z", re.ASCII)
_FORBIDDEN = frozenset({
    "sender_dependent_relayhost_maps", "smtp_sender_dependent_authentication", "smtp_tls_wrappermode",
})  # fmt: skip


def find(ground: Ground) -> Offer | NotOffered | None:
    """Offer the section."""
    main = Scope(ground.origin, ground.facts)
    relay, login = main.value("relayhost").strip(SPACE), _login(ground)
    logs_in = main.value("smtp_sasl_auth_enable").lower() == "yes" and _MAPS in ground.origin.parameters
    if not relay or not logs_in or ground.desired.section(smart_host.Schema) is not None:
        return None
    problem = _problem(relay, login, ground, main)
    if problem or login is None:
        return NotOffered(problem)
    _, user, password = login
    values = (next(iter(scalars(text)), None) for text in (relay, user))
    quoted = [value for value in values if value]
    if len(quoted) != 2:  # noqa: PLR2004 - both
        return NotOffered("the name of the relay or of the user is one that YAML can't hold")
    shorter = without(ground.mail, ["relayhost", _MAPS, *_as_the_section(ground, main)])
    section = [f"{smart_host.SECTION}:", f"  nexthop: {quoted[0]}", f"  username: {quoted[1]}",
               f"  password: !secret {SECRET}"]  # fmt: skip
    pinned = with_values(shorter.text, dict(_pins(ground, main)))
    if pinned is None or not {"relayhost", _MAPS} <= {*shorter.names}:
        return NotOffered("the settings of the relay can't be taken out of mail.yaml at their place")
    text = before_parameters(pinned, [*shorter.comments, *section])
    table = tables_of(main, ground.origin.parameters[_MAPS])[0]
    directory = ground.facts.directory
    new = f"{ground.facts.compiled_type}:{directory}/{smart_host.LOGIN_TABLE}"
    return Offer(
        summary=f"write the relay {relay} and its login as smart_host",
        files={MAIL: text.encode()}, secret=password,
        renamed={str(table._replace(name=table.name.replace("$config_directory", directory))): new},
        confirm=(f"the password is sealed in secrets/{SECRET}.age", _remains(table.name, ground.facts.directory)),
    )  # fmt: skip


def _login(ground: Ground) -> tuple[str, str, Secret] | None:
    """Return the key, the user and the password of the only row."""
    rows = split_lines(ground.logins.value) if ground.logins else []
    if len(rows) != 1:
        return None
    key, _, value = rows[0].partition("\t")
    user, colon, password = value.strip(SPACE).partition(":")
    is_text = not any("\ud800" <= character <= "\udfff" for character in value)  # bytes that are not UTF-8
    is_login = colon and password and is_text and not re.search(r"\s", user, re.ASCII)
    return (key, user, Secret(SECRET, password)) if is_login else None


def _problem(relay: str, login: tuple[str, str, Secret] | None, ground: Ground, main: Scope) -> str:
    """Return why the section can't say the same; empty if it can."""
    if other := _beside(ground, main):
        return other
    if _WRAPPED.search(relay):
        return f"{relay} speaks TLS from the first byte, for which the section has a service of its own"
    if login is None:
        rows = len(split_lines(ground.logins.value)) if ground.logins else 0
        if rows == 1:
            return f"the only row of {_MAPS} is no USER:PASSWORD that a secret can hold"
        return f"the section has one login, and {_MAPS} has {rows or 'none that import can read'}"
    key, user, password = login
    if key != relay:
        return f"the only login of {_MAPS} is for another name than {relay}"
    if not user or password.value != password.value.strip(SPACE):
        return "the login has no user, or blanks around its password"
    return ""


def _beside(ground: Ground, main: Scope) -> str:
    """Return what else than main.cf and its settings in mail.yaml decides about the relay and the login."""
    named = {"relayhost", _MAPS}
    options = {option.name for service in ground.origin.entries for option in service.overrides}
    if own := sorted(options & (named | _WRITTEN.keys() | _FORBIDDEN)):
        return f"a service of master.cf has {own[0]} of its own"
    if more := [name for name in sorted(_FORBIDDEN) if main.words(name) and main.value(name).lower() != "no"]:
        return f"{more[0]} is set, and the section has one relay with one login"
    if not all(map(ground.written, named)):
        return f"relayhost and {_MAPS} are not both parameters of mail.yaml"
    if smart_host.LOGIN_TABLE in ground.desired.tables or ground.has_secret(SECRET):
        return f"the commit has a table {smart_host.LOGIN_TABLE} or a secret {SECRET} already"
    return ""


def _as_the_section(ground: Ground, main: Scope) -> Iterator[str]:
    """Yield the parameters that the section sets to the same value."""
    for name, value in _WRITTEN.items():
        if name in ground.origin.parameters and main.value(name) == value:
            yield name


def _pins(ground: Ground, main: Scope) -> Iterator[tuple[str, str]]:
    """Yield the parameters that the section would set and that have another value, with that value."""
    for name in (_OPTIONS, _LEVEL):
        if name not in ground.origin.parameters and one_line(main.value(name)) != _WRITTEN[name]:
            yield name, ground.facts.parameters.get(name, "")


def _remains(name: str, directory: str) -> str:
    if own_name(name, directory) == smart_host.LOGIN_TABLE:
        table = smart_host.LOGIN_TABLE
        return f"{table} is written anew, without its comments, and its old map is removed"
    return f"{name} and its map stay where they are: remove them when this is live"
