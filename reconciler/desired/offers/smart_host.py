"""Write relayhost and its login as ``smart_host``, with the password as a sealed secret. Pure; raises nothing.

Known limits: only a relay whose login is the only row of its table, and not on port 465, which needs a service of its
own. The table is read as Postfix reads it, from its map.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.desired.edits import SECRET
from reconciler.desired.offers.mail_text import before_parameters, with_values, without
from reconciler.desired.offers.offer import MAIL, Offer
from reconciler.desired.yaml_editor import scalars
from reconciler.features import parameters, smart_host
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


def find(ground: Ground) -> Offer | None:
    """Offer the section."""
    main = Scope(ground.origin, ground.facts)
    relay, login = main.value("relayhost").strip(SPACE), _login(ground)
    if login is None or not _is_plain(ground, main) or main.value("smtp_sasl_auth_enable").lower() != "yes":
        return None
    key, user, password = login
    if key != relay or _WRAPPED.search(relay) or not user or password.value != password.value.strip(SPACE):
        return None
    values = (next(iter(scalars(text)), None) for text in (relay, user))
    quoted = [value for value in values if value]
    if len(quoted) != 2:  # noqa: PLR2004 - both
        return None
    shorter = without(ground.mail, ["relayhost", _MAPS, *_as_the_section(ground, main)])
    section = [f"{smart_host.SECTION}:", f"  nexthop: {quoted[0]}", f"  username: {quoted[1]}",
               f"  password: !secret {SECRET}"]  # fmt: skip
    pinned = with_values(shorter.text, dict(_pins(ground, main)))
    if pinned is None or not {"relayhost", _MAPS} <= {*shorter.names}:
        return None
    text = before_parameters(pinned, [*shorter.comments, *section])
    table = tables_of(main, ground.origin.parameters[_MAPS])[0]
    directory = ground.facts.parameters.get("config_directory", "/etc/postfix")
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
    if len(rows) != 1 or f"secrets/{SECRET}.age" in ground.files:
        return None
    key, _, value = rows[0].partition("\t")
    user, colon, password = value.strip(SPACE).partition(":")
    is_text = not any("\ud800" <= character <= "\udfff" for character in value)  # bytes that are not UTF-8
    is_login = colon and password and is_text and not re.search(r"\s", user, re.ASCII)
    return (key, user, Secret(SECRET, password)) if is_login else None


def _is_plain(ground: Ground, main: Scope) -> bool:
    """Return whether main.cf alone decides about the relay and the login, and mail.yaml has their settings."""
    named = {"relayhost", _MAPS}
    options = {option.name for service in ground.origin.entries for option in service.overrides}
    written = [ground.origin.parameters.get(name) for name in named]
    return (
        all(one and (one.where.file, one.section) == (MAIL, parameters.SECTION) for one in written)
        and ground.desired.section(smart_host.Schema) is None
        and not options & (named | _WRITTEN.keys() | _FORBIDDEN)
        and not any(main.words(name) and main.value(name).lower() != "no" for name in _FORBIDDEN)
        and smart_host.LOGIN_TABLE not in ground.desired.tables
    )


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
