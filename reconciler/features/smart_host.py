"""``smart_host``: all outbound mail through one next hop, with or without a login.

The login table is written whole, 0600, and gone when there is no login: its key is the nexthop verbatim, for that is
what smtp(8) looks up (SASL_README, "Configuring SASL authentication in the Postfix SMTP/LMTP client").
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, InstanceOf, model_validator
from pydantic_core import PydanticCustomError

from reconciler.model import Contribution, Finding, Parameter, SecretName, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts

SECTION = "smart_host"
LOGIN_TABLE = "sasl_passwd"
_NEXTHOP = re.compile(r"(?:\[(?P<bracketed>[^\]\s]+)\]|(?P<name>[^\[\]\s:]+))(?::(?P<port>[A-Za-z0-9-]+))?")


def _nexthop(value: object) -> object:
    if isinstance(value, list):
        inside = ", ".join(str(item) for item in value)
        kind, text = "unquoted-brackets", 'YAML reads brackets as a list; quote the nexthop: "[{inside}]"'
        raise PydanticCustomError(kind, text, {"inside": inside})
    if isinstance(value, str) and value and not _is_nexthop(value):
        text = 'not a nexthop: "{value}"; expected HOST, [HOST], HOST:PORT or [HOST]:PORT'
        raise PydanticCustomError("malformed-nexthop", text, {"value": value})
    return value


def _is_nexthop(value: str) -> bool:
    match = _NEXTHOP.fullmatch(value)
    if not match:
        return False
    host = match["bracketed"] or match["name"]
    if ":" in host:
        try:
            ip_address(host.removeprefix("IPv6:"))
        except ValueError:
            return False
    port = match["port"] or "25"
    return not port.isdigit() or 0 < int(port) < 65536  # noqa: PLR2004 - TCP


def _secret(value: object) -> object:
    if value is None or isinstance(value, SecretName):
        return value
    text = (
        "a password in plain text would stay in the history for ever; run `reconciler secret set smart_host` and"
        " write password: !secret smart_host (and change the password: it has been seen)"
    )
    raise PydanticCustomError("plain-text-secret", text)


def _username(value: object) -> object:
    if isinstance(value, str) and (":" in value or re.search(r"\s", value)):
        raise PydanticCustomError(
            "malformed-username", 'a user name holds no blanks and no colon, got "{value}"', {"value": value}
        )
    return value


class Schema(BaseModel):
    """The next hop and its login; ``smart_host: off`` says that there is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nexthop: Annotated[str, BeforeValidator(_nexthop)]
    username: Annotated[str | None, BeforeValidator(_username)] = None
    password: Annotated[InstanceOf[SecretName] | None, BeforeValidator(_secret)] = None

    @model_validator(mode="before")
    @classmethod
    def _off(cls, value: object) -> object:
        return {"nexthop": ""} if value in ("no", "") else value

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if bool(self.username) != bool(self.password):
            missing = "password" if self.username else "username"
            raise PydanticCustomError("half-a-login", "a login needs both; {missing} is missing", {"missing": missing})
        return self


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute relayhost and, with a login, the SASL parameters and the table that holds it."""
    section = desired.section(Schema)
    if not section or not section.nexthop:
        return Contribution()
    values = {"relayhost": (section.nexthop, "nexthop")}
    tables = {}
    if section.username and section.password and (secret := desired.secrets.get(section.password.name)):
        table = _login(
            section.nexthop, f"{section.username}:{secret.value}", desired.where(SECTION, "password").file, facts
        )
        tables[table.name] = table
        values |= {
            "smtp_sasl_auth_enable": ("yes", "username"),
            "smtp_sasl_password_maps": (table.reference, "password"),
            "smtp_sasl_tls_security_options": ("noanonymous", "password"),
        }
    parameters = {
        name: Parameter(name, value, desired.where(SECTION, key), SECTION) for name, (value, key) in values.items()
    }
    return Contribution(parameters=parameters, tables=tables)


def _login(nexthop: str, login: str, file: str, facts: Facts) -> Table:
    kind = "lmdb" if "lmdb" in facts.map_types else "hash"
    source = f"{nexthop} {login}\n".encode()
    return Table(name=LOGIN_TABLE, type=kind, source=source, file=file, compiler="postmap", mode=0o600)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - a Feature
    """The password must survive being written on a table's line."""
    section = desired.section(Schema)
    if section and section.password and (secret := desired.secrets.get(section.password.name)):
        where = desired.where(SECTION, "password")
        if not secret.value or "\n" in secret.value or secret.value != secret.value.strip():
            what = f"secret {secret.name} is empty, or has a line break or blanks at its end; set it again"
            yield Finding(rule="malformed-secret", where=where, text=what, subject=secret.name)


EXPLAINED = {
    "unquoted-brackets": (
        "A next hop stands in brackets without quotes, which YAML reads as a list. Nothing can be made of it. Put "
        "quotes around the whole value, brackets and port included."
    ),
    "half-a-login": (
        "The smart host has a user name or a password, but not both. Nobody could log in with that. Write both, or"
        " neither."
    ),
    "malformed-username": (
        "The user name holds a blank or a colon. The table for logins separates it from the password by a colon, "
        "so that the smart host would be sent something else. Write the name alone."
    ),
    "malformed-secret": (
        "A secret is empty, or has a line break or blanks at its end. It would reach the smart host cut off, and "
        "the login would fail. Set it again with `reconciler secret set NAME`."
    ),
}
