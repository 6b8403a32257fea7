"""The facts of a host as JSON, so that a commit can be judged on a machine that has no Postfix.

Promises: read_facts() returns what as_text() was given; the text is the same for the same facts, whatever the order of
their sets. A key that is missing has no facts, and an unknown key is an error. Raises BadFacts for a file that can't be
read.

Known limits: facts are those of the moment at which they were gathered. They name users, programs, addresses and files
of the host, and contain no password and no private key.
"""

from __future__ import annotations

import json
from dataclasses import fields
from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field, PlainSerializer, ValidationError

from reconciler.model import (
    Access,
    Certificate,
    Facts,
    Interface,
    Key,
    Listener,
    Lookup,
    OtherInstance,
    Pem,
    Place,
    Server,
    Space,
)
from reconciler.model.errors import BadFacts

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
Names = Annotated[frozenset[str], PlainSerializer(sorted)]
Address = IPv4Interface | IPv6Interface
Answered = tuple[tuple[Server, str | None], ...]
Placed = tuple[tuple[Place, str], ...]
Accessed = tuple[tuple[Access, str | None], ...]
Measured = tuple[tuple[Space, str | None], ...]
LookedUp = tuple[tuple[Lookup, str | None], ...]


class _Written(BaseModel, extra="forbid", frozen=True):
    """A value of the file."""


class _Listener(_Written):
    address: str
    port: int
    program: str
    ours: bool


class _Block(_Written):
    """A key or a certificate of a PEM file."""

    kind: Literal["key", "certificate"]
    public: str
    names: tuple[str, ...] = ()
    days: int = 0
    begun: bool = True


class _Pem(_Written):
    blocks: tuple[_Block, ...] = ()
    problem: str = ""


class _Facts(_Written):
    """The file: facts by their names; what is asked about a value is a list of questions, each with its answer."""

    format: Literal[1]
    host: str
    version: str
    parameters: dict[str, str]
    map_types: Names
    programs: Names
    addresses: tuple[Address, ...]
    users: Names
    ports: dict[str, Annotated[int, Field(ge=0, le=65535)]]
    listeners: tuple[_Listener, ...]
    files: dict[str, bool] = Field(default_factory=dict)
    pems: dict[str, _Pem] = Field(default_factory=dict)
    answers: Answered = ()
    names: dict[str, tuple[str, ...] | None] = Field(default_factory=dict)
    places: Placed = ()
    packages: dict[str, str] = Field(default_factory=dict)
    reserved: tuple[str, ...] = ()
    accesses: Accessed = ()
    spaces: Measured = ()
    lookups: LookedUp = ()
    hosts: dict[str, tuple[str, ...] | None] = Field(default_factory=dict)
    resolvers: dict[str, tuple[str, ...] | None] = Field(default_factory=dict)
    reads: dict[str, Names] = Field(default_factory=dict)
    unsaid: Names = frozenset()
    groups: Names = frozenset()
    instances: tuple[OtherInstance, ...] = ()
    is_default: bool = True
    is_listed: bool = True
    folders: tuple[str, ...] = ()


_QUESTIONS = ("answers", "places", "accesses", "spaces", "lookups")


def as_text(facts: Facts) -> str:
    """Return the facts as the text of a file."""
    values = {one.name: getattr(facts, one.name) for one in fields(Facts) if one.init}
    # A description of the commit holds its password.
    values["lookups"] = {lookup: reason for lookup, reason in facts.lookups.items() if not lookup.description}
    asked = {name: sorted(values[name].items(), key=lambda item: item[0]) for name in _QUESTIONS}
    pems = {
        path: _Pem(blocks=tuple(map(_written, pem.blocks)), problem=pem.problem) for path, pem in facts.pems.items()
    }
    listeners = tuple(_Listener(address=one.address, port=one.port, program=one.program, ours=one.ours)
                      for one in facts.listeners)  # fmt: skip
    addresses = tuple(map(str, facts.addresses))
    own = {"format": FORMAT, "pems": pems, "listeners": listeners, "addresses": addresses}
    written = _Facts(**values | asked | own)
    return json.dumps(written.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def _written(block: Key | Certificate) -> _Block:
    if isinstance(block, Certificate):
        return _Block(kind="certificate", **block._asdict())
    return _Block(kind="key", public=block.public)


def read_facts(path: Path) -> Facts:
    """Return the facts in a file."""
    try:
        read = _Facts.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadFacts(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        first, *others = error.errors(include_url=False)
        place = ".".join(map(str, first["loc"]))
        more = f" (and {len(others)} more errors)" if others else ""
        raise BadFacts(
            f"{path}: not the facts of a host: {place and place + ': '}{first['msg']}{more}; make the file again with"
            " `reconciler facts` on the host"
        ) from error
    values = {one.name: getattr(read, one.name) for one in fields(Facts) if one.init}
    asked = {name: dict(values[name]) for name in _QUESTIONS}
    pems = {name: Pem(tuple(map(_block, pem.blocks)), pem.problem) for name, pem in read.pems.items()}
    listeners = tuple(Listener(one.address, one.port, one.program, one.ours) for one in read.listeners)
    addresses = tuple(Interface(one.ip, one.network.prefixlen) for one in read.addresses)
    return Facts(**values | asked | {"pems": pems, "listeners": listeners, "addresses": addresses})


def _block(written: _Block) -> Key | Certificate:
    if written.kind == "key":
        return Key(written.public)
    return Certificate(written.public, written.names, written.days, written.begun)
