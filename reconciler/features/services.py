"""``services`` and ``master.d/``: master.cf, whose stock is upstream's services with chroot n."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, BeforeValidator, Field, RootModel, StringConstraints

from reconciler.model import Contribution, Parameter, Service, Where
from reconciler.syntax import SERVICE_TYPES, read_master

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts, Finding

SECTION = "services"
# Upstream's conf/master.cf up to postlog, chroot off; the comments and the examples left out.
STOCK = """\
smtp       inet        n  -  n  -      -    smtpd
pickup     unix        n  -  n  60     1    pickup
cleanup    unix        n  -  n  -      0    cleanup
qmgr       unix        n  -  n  300    1    qmgr
tlsmgr     unix        -  -  n  1000?  1    tlsmgr
rewrite    unix        -  -  n  -      -    trivial-rewrite
bounce     unix        -  -  n  -      0    bounce
defer      unix        -  -  n  -      0    bounce
trace      unix        -  -  n  -      0    bounce
verify     unix        -  -  n  -      1    verify
flush      unix        n  -  n  1000?  0    flush
proxymap   unix        -  -  n  -      -    proxymap
proxywrite unix        -  -  n  -      1    proxymap
smtp       unix        -  -  n  -      -    smtp
relay      unix        -  -  n  -      -    smtp  -o syslog_name=postfix/relay
showq      unix        n  -  n  -      -    showq
error      unix        -  -  n  -      -    error
retry      unix        -  -  n  -      -    error
discard    unix        -  -  n  -      -    discard
local      unix        -  n  n  -      -    local
virtual    unix        -  n  n  -      -    virtual
lmtp       unix        -  -  n  -      -    lmtp
anvil      unix        -  -  n  -      1    anvil
scache     unix        -  -  n  -      1    scache
postlog    unix-dgram  n  -  n  -      1    postlogd
"""
_YES_NO = {"yes": "y", "no": "n"}
Flag = Annotated[str, BeforeValidator(lambda value: _YES_NO.get(value, value)), StringConstraints(pattern=r"^[yn-]$")]
Key = Annotated[str, StringConstraints(pattern=rf"^[^\s/]\S*/(?:{'|'.join(SERVICE_TYPES)})$")]


class ServiceChange(BaseModel, extra="forbid", frozen=True):
    """What differs from the stock service of that name; for a new one *command* is needed.

    The fields are master(5)'s; *options* are its ``-o`` settings by name, *arguments* the words after them.
    """

    private: Flag | None = None
    unpriv: Flag | None = None
    chroot: Flag | None = None
    wakeup: Annotated[str, StringConstraints(pattern=r"^(?:-|\d+\??)$")] | None = None
    maxproc: Annotated[str, StringConstraints(pattern=r"^(?:-|\d+)$")] | None = None
    command: Annotated[str, StringConstraints(pattern=r"^\S+$")] | None = None
    options: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+$")], str] = Field(default_factory=dict)
    arguments: tuple[Annotated[str, StringConstraints(pattern=r"^\S+$")], ...] = ()


class Schema(RootModel[dict[Key, ServiceChange | None]]):
    """Changes by ``NAME/TYPE``; null removes the service."""


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute the stock, then master.d, then the changes that ``services`` asks for."""
    stock, _ = read_master(STOCK, "mail.yaml")
    services: dict[str, Service | None] = {service.key: replace(service, where=Where("mail.yaml")) for service in stock}
    services |= below.services
    services |= {service.key: service for service in desired.services}
    section = desired.section(Schema)
    for key, change in (section.root if section else {}).items():
        services[key] = _changed(key, services.get(key), change, desired) if change else None
    return Contribution(services=services)


def _changed(key: str, old: Service | None, change: ServiceChange, desired: Desired) -> Service:
    name, _, kind = key.rpartition("/")
    where = desired.where(SECTION, key)
    private = "n" if kind == "inet" else "-"
    service = old or Service(name=name, type=kind, private=private, command="", where=where)
    given = {
        "private": change.private, "unprivileged": change.unpriv, "chroot": change.chroot,
        "wakeup": change.wakeup, "maxproc": change.maxproc, "command": change.command,
        "arguments": change.arguments or None,
    }  # fmt: skip
    options = {override.name: override for override in service.overrides} | {
        option: Parameter(option, value, desired.where(SECTION, key, "options", option), name)
        for option, value in change.options.items()
    }
    fields = {field: value for field, value in given.items() if value is not None}
    return replace(service, where=where, overrides=tuple(options.values()), **fields)  # type: ignore[arg-type]
