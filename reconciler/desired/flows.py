"""``flows/*.yaml``: mail-flow tests, which define who sends what to whom, and the expected result.

    not an open relay:
      client: 203.0.113.7                    # default: a client that no table and no setting means
      from: a@elsewhere.example
      to: b@elsewhere.example
      expect: refused                        # accepted, refused, or a mapping of the fields of Expect

Promises: read() turns every mistake into a finding with its place, and returns no flows from a file with mistakes. It
raises InvalidSource only for a commit beyond its budget. Addresses may use the parameters of main.cf
(``postmaster@$myhostname``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    IPvAnyAddress,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from reconciler.desired import schema_errors, yaml_reader
from reconciler.features.section import Section, or_else
from reconciler.model import Finding, Where, closest, error_at, meant, paths_in

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from reconciler.desired.budget import Budget
    from reconciler.desired.yaml_reader import Document
    from reconciler.model import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """The expected result of a flow; a field that does not matter is None.

    *refused* is the beginning of a reply code (``55``), or empty for any code; None means that Postfix must accept the
    mail. The other fields are about accepted mail: the *status* in the log, *transport* and *nexthop*, the envelope's
    *sender* and *recipient*s after all rewriting, and the *source* address and *helo* of the outbound connection.
    """

    refused: str | None = None
    status: str | None = None
    transport: str | None = None
    nexthop: str | None = None
    recipient: tuple[str, ...] | None = None
    sender: str | None = None
    source: str | None = None
    helo: str | None = None

    @property
    def is_delivered(self) -> bool:
        """True if the test needs a delivery."""
        further = (self.status, self.transport, self.nexthop, self.recipient, self.sender, self.source, self.helo)
        return any(field is not None for field in further)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A mail-flow test: a *client* address, or if empty any stranger's, sends mail to a *port* of this host.

    The client sends *helo*, uses *tls* if the port offers it, and has authenticated as *login* unless that is empty.
    *header* has additional header lines of the message. Without *hosts*, the test is for all hosts.
    """

    name: str
    where: Where
    client: str
    port: str
    helo: str
    tls: bool
    login: str
    sender: str
    recipients: tuple[str, ...]
    header: str
    expect: Expect
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flows:
    """The mail-flow tests of a commit, as a section of the desired state."""

    all: tuple[Flow, ...] = ()


# ---- reading them ----------------------------------------------------------------------------------------------------

_PATH = re.compile(r"flows/[^/]+\.yaml")


def _several(value: object) -> object:
    if value == []:
        raise PydanticCustomError("invalid-value", "expected at least one")
    return value if isinstance(value, list) else [value]


def _plain(text: str) -> str:
    """Return a text that is safe in an SMTP command or a header: one line, without a bracket that ends an address."""
    if not text.isprintable() or "<" in text or ">" in text:
        raise PydanticCustomError("invalid-value", "expected plain text on one line, without < or >")
    return text


def _client_address(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255":
        raise PydanticCustomError("invalid-value", 'no client has the address "{text}"', {"text": str(address)})
    return address


def _one_word(text: str) -> str:
    if not re.fullmatch(r"[^\s:]+|\[[^\s]+\]", _plain(text), re.ASCII):
        raise PydanticCustomError("invalid-value", 'expected one word, got "{text}"', {"text": text})
    return text


def _code(value: object) -> object:
    text = str(value).lower()
    if text in {"yes", "true"}:
        return ""
    if not re.fullmatch(r"[45](?:\d\d|xx)?", text, re.ASCII):
        what = 'expected a reply code such as 554, 5xx or yes, got "{text}"'
        raise PydanticCustomError("bad-code", what, {"text": text})
    return text.rstrip("x")


Text = Annotated[str, AfterValidator(_plain)]
Word = Annotated[str, AfterValidator(_one_word)]
Addresses = Annotated[tuple[Text, ...], BeforeValidator(_several, json_schema_input_type=tuple[Text, ...] | Text)]
Hosts = Annotated[tuple[str, ...], BeforeValidator(_several, json_schema_input_type=tuple[str, ...] | str)]
Code = Annotated[str, Field(pattern=r"^(?:[Yy][Ee][Ss]|[Tt][Rr][Uu][Ee]|[45](?:[0-9]{2}|[Xx]{2})?)$")]
Refused = Annotated[str | None, BeforeValidator(_code, json_schema_input_type=Code)]


_WORDS = dict.fromkeys(("accept", "allow", "allowed", "ok", "deliver", "delivered", "pass"), "accepted")
_WORDS |= dict.fromkeys(("reject", "rejected", "deny", "denied", "refuse", "bounce", "block", "blocked"), "refused")
_SHORT = {"type": "string", "pattern": r"^(?:accepted|refused(?: \w+)?)$"}


class _Expect(Section, json_schema_extra=or_else(_SHORT)):
    refused: Refused = None
    status: Literal["sent", "bounced", "deferred"] | None = None
    transport: str | None = None
    nexthop: str | None = None
    recipient: Addresses | None = None
    sender: str | None = None
    source: IPvAnyAddress | None = None
    helo: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: object) -> object:
        if value == "accepted":
            return {}
        match = re.fullmatch(r"refused(?: (\w+))?", value, re.ASCII) if isinstance(value, str) else None
        if match:
            return {"refused": match[1] or "yes"}
        if value is None:
            raise PydanticCustomError("bad-expectation", "it has no value; write expect: refused, or expect: accepted")
        if isinstance(value, str):
            code = re.fullmatch(r"[45](?:\d\d|xx)", value, re.ASCII)
            word = _WORDS.get(value.lower()) or closest(value, ("accepted", "refused"))
            hint = meant(f"refused {value}" if code else word)
            what = 'expected accepted, refused or a mapping, got "{value}"{hint}'
            raise PydanticCustomError("bad-expectation", what, {"value": value, "hint": hint})
        return value

    @model_validator(mode="after")
    def _one_or_the_other(self) -> _Expect:
        if self.refused is not None and len(self.model_fields_set) > 1:
            raise PydanticCustomError("bad-expectation", "refused mail is not delivered: remove the other keys")
        return self


class _Flow(Section):
    client: Annotated[IPvAnyAddress, AfterValidator(_client_address)] | None = None
    port: Annotated[str, Field(pattern=r"^(\d{1,5}|[a-z][a-z0-9_-]*)$")] = "smtp"
    helo: Word = "client.rehearsal.example"
    tls: bool = True
    login: Annotated[str, Field(pattern=r"^[^\s<>=+]*$")] = ""
    sender: Annotated[Text, Field(alias="from")] = "somebody@sender.rehearsal.example"
    recipients: Annotated[Addresses, Field(alias="to")]
    header: dict[Word, Text] = Field(default_factory=dict)
    hosts: Hosts = ()
    expect: _Expect


_ADAPTER = TypeAdapter(_Flow)
_KEYS = [field.alias or name for name, field in _Flow.model_fields.items()]


def schema() -> dict[str, Any]:
    """Return the JSON schema of one flow, as pydantic derives it from the validator."""
    return _ADAPTER.json_schema()


def read(files: Tree, host: str, findings: list[Finding], budget: Budget) -> Flows:
    """Return the flows of a commit for *host*, in the order of its files; append their errors to *findings*."""
    flows: list[Flow] = []
    for path in paths_in(files, "flows/"):
        if _PATH.fullmatch(path):
            before = len(findings)
            written = yaml_reader.read(path, files[path], findings, budget)
            if len(findings) == before:
                flows += _flows(written, path, findings)
    return Flows(tuple(flow for flow in flows if not flow.hosts or host in flow.hosts))


def _flows(written: Document, path: str, findings: list[Finding]) -> list[Flow]:
    flows = []
    if written.value and written.value.keys() <= set(_KEYS):
        where = next(iter(written.keys.values()), Where(path))
        what = "a flow needs a name above its keys; write NAME: on a line before them, and indent them"
        findings.append(error_at("bad-expectation", where, what, path))
        return []
    for name, value in written.value.items():
        try:
            flow = _ADAPTER.validate_python(value)
        except ValidationError as error:
            findings += [
                schema_errors.invalid(name, problem, _known(problem["loc"]), written)
                for problem in schema_errors.causes(error.errors(include_url=False), _known)
            ]
        else:
            flows.append(_flow(name, flow, written.keys.get((name,), Where(path))))
    return flows


def _known(loc: tuple[object, ...]) -> list[str]:
    return list(_Expect.model_fields) if "expect" in loc[:-1] or loc == ("expect",) else _KEYS


def _flow(name: str, flow: _Flow, where: Where) -> Flow:
    expect: dict[str, Any] = {key: getattr(flow.expect, key) for key in _Expect.model_fields}
    expect["source"] = str(flow.expect.source) if flow.expect.source else None
    header = "".join(f"{key}: {value}\n" for key, value in flow.header.items())
    return Flow(
        name=name, where=where, client=str(flow.client or ""), port=flow.port, helo=flow.helo, tls=flow.tls,
        login=flow.login, sender=flow.sender, recipients=flow.recipients, header=header, hosts=flow.hosts,
        expect=Expect(**expect),
    )  # fmt: skip


EXPLAINED = {
    "flow-fails": (
        "A mail-flow test of flows/ fails: in a rehearsal of this configuration, mail had another result than the test"
        " expects. Fix the configuration, or change the test if the expectation has changed."
    ),
    "bad-code": (
        "A mail-flow test expects an invalid reply code. No test of the file is run. Write a code such as 554, a class"
        " such as 5xx, or yes for any refusal."
    ),
    "bad-expectation": (
        "A mail-flow test has an expectation that can't be read. No test of the file is run. Write accepted, refused,"
        " or a mapping such as {transport: smtp, recipient: a@b.example}."
    ),
}
