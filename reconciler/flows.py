"""``flows/*.yaml``: mail-flow tests, which say who sends what to whom and what must happen.

    not an open relay:
      client: 203.0.113.7                    # unset: a stranger
      from: a@elsewhere.example
      to: b@elsewhere.example
      expect: refused                        # accepted, refused, or a mapping of the fields of Expect

Promises: read() turns every mistake into a finding with its place, and a file of mistakes into no flows. Raises nothing.
Addresses may use main.cf's own names (``postmaster@$myhostname``).
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from reconciler import document, wording
from reconciler.model import Expect, Finding, Flow, Where

if TYPE_CHECKING:
    from reconciler.document import Document
    from reconciler.model import Tree

STRANGER = "203.0.113.7"
_PATH = re.compile(r"flows/[^/]+\.ya?ml")


def _several(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _code(value: object) -> object:
    text = str(value).lower()
    if text in {"yes", "true"}:
        return ""
    if not re.fullmatch(r"[45](?:\d\d|xx)?", text):
        raise PydanticCustomError("bad-code", 'expected a reply code such as 554, 5xx or yes, got "{text}"', {"text": text})
    return text.rstrip("x")


Addresses = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]


class _Expect(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    refused: Annotated[str | None, BeforeValidator(_code)] = None
    status: Annotated[str | None, Field(pattern="^(sent|bounced|deferred)$")] = None
    transport: str | None = None
    nexthop: str | None = None
    recipient: Addresses | None = None
    sender: str | None = None
    source: IPv4Address | IPv6Address | None = None
    helo: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: object) -> object:
        if value == "accepted":
            return {}
        match = re.fullmatch(r"refused(?: (\w+))?", value) if isinstance(value, str) else None
        if match:
            return {"refused": match[1] or "yes"}
        if isinstance(value, str):
            raise PydanticCustomError("bad-expectation", 'expected accepted, refused or a mapping, got "{value}"', {"value": value})
        return value

    @model_validator(mode="after")
    def _one_or_the_other(self) -> _Expect:
        if self.refused is not None and len(self.model_fields_set) > 1:
            raise PydanticCustomError("bad-expectation", "mail that is refused has no further fate: leave the rest out")
        return self


class _Flow(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    client: IPv4Address | IPv6Address = IPv4Address(STRANGER)
    port: str | int = "smtp"
    helo: str = "client.rehearsal.example"
    tls: bool = True
    login: str = ""
    sender: Annotated[str, Field(alias="from")] = "somebody@sender.rehearsal.example"
    recipients: Annotated[Addresses, Field(alias="to")]
    header: dict[str, str] = Field(default_factory=dict)
    expect: _Expect


_ADAPTER = TypeAdapter(_Flow)


def read(files: Tree, findings: list[Finding]) -> tuple[Flow, ...]:
    """The flows of a commit, in the order of its files; what is wrong with them goes to *findings*."""
    flows: list[Flow] = []
    for path in sorted(files):
        if _PATH.fullmatch(path):
            before = len(findings)
            written = document.read(path, files[path], findings)
            if len(findings) == before:
                flows += _flows(written, path, findings)
    return tuple(flows)


def _flows(written: Document, path: str, findings: list[Finding]) -> list[Flow]:
    found = []
    for name, value in written.value.items():
        try:
            flow = _ADAPTER.validate_python(value)
        except ValidationError as error:
            for problem in error.errors(include_url=False):
                known = [*_Flow.model_fields, "from", "to", *_Expect.model_fields]
                findings.append(wording.invalid(name, dict(problem), known, written))
        else:
            found.append(_flow(name, flow, written.keys.get((name,), Where(path))))
    return found


def _flow(name: str, flow: _Flow, where: Where) -> Flow:
    expect: dict[str, Any] = {key: getattr(flow.expect, key) for key in _Expect.model_fields}
    expect["source"] = str(flow.expect.source) if flow.expect.source else None
    header = "".join(f"{key}: {value}\n" for key, value in flow.header.items())
    return Flow(
        name=name, where=where, client=str(flow.client), port=str(flow.port), helo=flow.helo, tls=flow.tls,
        login=flow.login, sender=flow.sender, recipients=flow.recipients, header=header, expect=Expect(**expect),
    )  # fmt: skip
