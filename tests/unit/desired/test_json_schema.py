"""The JSON Schema for editors accepts what load() accepts, and refuses the mistakes that a schema can see."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from reconciler.commands.schema import texts
from reconciler.desired.json_schema import FILES, schemas, together
from reconciler.desired.load import load, section_schemas
from reconciler.model import File
from reconciler.model.errors import InvalidSource
from tests.unit.host_facts import HOST
from tests.unit.test_corpus import BROKEN, FIELD_BROKEN, FIELD_HEALTHY, HEALTHY, INSTALLED

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
CORPORA = [*HEALTHY["cases"], *FIELD_HEALTHY, *INSTALLED, *BROKEN["cases"], *FIELD_BROKEN]
MAIL = "hostname: mx.test.example\n"
SITE = "domains: [a.example]\n"
FLOW = "a:\n  to: b@c.example\n  expect: accepted\n"


def text_of(loader: Any, node: yaml.Node) -> str:  # noqa: ANN401 - any of the loaders of PyYAML
    assert isinstance(node, yaml.ScalarNode)
    return str(loader.construct_scalar(node))


class Core(yaml.SafeLoader):
    """YAML 1.2's core schema, as editors read it: only true and false are booleans; a secret is a text."""


Core.yaml_implicit_resolvers = {}
for _tag, _form, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^(?:0o[0-7]+|[-+]?[0-9]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_form), list(_first))
Core.add_constructor("!secret", text_of)
Core.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(text_of(loader, node), 10))


@cache
def validators() -> dict[str, Any]:
    return {name: jsonschema.Draft7Validator(schema) for name, schema in schemas(HOST.parameters).items()}


def kind_of(path: str) -> str:
    kinds = {"mail.yaml": "mail", "hosts": "host", "sites": "site", "flows": "flows"}
    return kinds[path.partition("/")[0]]


def objections(path: str, text: str) -> list[str]:
    """Return what an editor would underline in a file."""
    value = yaml.load(text, Loader=Core)
    return [f"{error.json_path}: {error.message}" for error in validators()[kind_of(path)].iter_errors(value)]


def loadable(files: dict[str, str]) -> bool:
    try:
        load({path: File.of(text.encode()) for path, text in files.items()}, "mx.test.example", {})
    except InvalidSource:
        return False
    return True


def files_of(case: dict[str, Any]) -> dict[str, str]:
    """Return the files of a case of the corpus."""
    mail = BROKEN["base"]["mail.yaml"]
    mail = mail | {"parameters": mail["parameters"] | case.get("parameters", {})}
    files = {"mail.yaml": yaml.safe_dump(mail, sort_keys=False), **BROKEN["base"]["files"]}
    files |= {"secrets/relay.age": "-----BEGIN AGE ENCRYPTED FILE-----\n", **case.get("files", {})}
    for path, text in case.get("append", {}).items():
        files[path] = files.get(path, "") + text
    return {path: text for path, text in files.items() if text is not None}


@pytest.mark.parametrize("name", [*FILES])
def test_each_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft7Validator.check_schema(schemas(HOST.parameters)[name])
    assert set(together(schemas({}))["definitions"]) == {*FILES} - {"mail"}


def test_every_tree_of_the_corpora_that_loads_fits() -> None:
    loaded = [files for files in map(files_of, CORPORA) if loadable(files)]
    found = {text: objections(path, text) for files in loaded for path, text in files.items() if path.endswith(".yaml")}

    assert len(loaded) > 300
    assert {text: said for text, said in found.items() if said} == {}


HEALTHY_FILES = [
    ("mail.yaml", MAIL + 'smart_host: {nexthop: "[relay.example]:587", username: 1234, password: !secret relay}\n'),
    ("mail.yaml", MAIL + "smart_host: {preset: mailchannels, username: ada, password: !secret relay}\n"),
    ("mail.yaml", MAIL + "smart_host: off\n"),
    ("mail.yaml", MAIL + "smart_host: false\n"),
    ("mail.yaml", MAIL + 'smart_host: ""\n'),
    ("mail.yaml", MAIL + "relay_mynetworks: No\nsubmission: {enabled: true, wrapper: off}\n"),
    ("mail.yaml", MAIL + "services: {smtp/inet: {maxproc: 50, chroot: yes, unpriv: n}, qmgr/unix: {wakeup: 300}}\n"),
    ("mail.yaml", MAIL + "services: {scache/unix: null}\n"),
    ("mail.yaml", MAIL + "services: {smtp/inet: {private: no, options: {smtpd_helo_required: on}, arguments: [-v]}}\n"),
    ("mail.yaml", MAIL + "transports: {slow: {concurrency: 1, rate_delay: 2, retry: no, address: 192.0.2.1}}\n"),
    ("mail.yaml", MAIL + "parameters: {message_size_limit: 010, my_own: a, disable_vrfy_command: on, empty: ''}\n"),
    ("mail.yaml", MAIL + "dkim: {selector: s1, key: !secret relay, ttl: 12h}\n"),
    ("mail.yaml", MAIL + "dkim: {next: {selector: s2, key: !secret relay, since: 2026-11-23T10:00:00Z}}\n"),
    ("mail.yaml", MAIL + "sender_rewriting: {key: !secret relay}\n"),
    ("mail.yaml", MAIL + "sender_rewriting: {secrets: [!secret relay], exclude: [.example.com]}\n"),
    ("mail.yaml", MAIL + "dns: {dmarc: none, mta_sts: {mode: testing, max_age: 86400}, addresses: ['2001:db8::1']}\n"),
    ("mail.yaml", MAIL + "dns: {dmarc: {policy: reject}, server: {address: 192.0.2.53, key: !secret relay}}\n"),
    ("mail.yaml", MAIL + "egress: {lockdown: true, ports: [25, '587'], allow_users: [_rspamd]}\n"),
    ("mail.yaml", MAIL + "tls: {outbound: encrypt, destinations: {a.example: none}}\n"),
    ("hosts/mx2.example.com.yaml", "smart_host: null\nservices: {smtp/inet: null, smtp/unix: {maxproc: null}}\n"),
    ("hosts/mx2.example.com.yaml", "parameters: {message_size_limit: ~}\ntls: {outbound: ~}\n"),
    ("hosts/mx2.example.com.yaml", "transports: {relay2: {concurrency: 3}}\n"),
    ("sites/site1/site.yaml", SITE + "delivery: {address: 192.0.2.9, helo: a.example}\n"),
    ("sites/site1/site.yaml", SITE + "delivery: {address: [192.0.2.9, '2001:db8::9'], helo: a.example}\n"),
    ("flows/a.yaml", FLOW),
    ("flows/a.yaml", FLOW.replace("accepted", "refused 554")),
    ("flows/a.yaml", FLOW.replace("accepted", "{refused: 554}")),
    ("flows/a.yaml", FLOW.replace("accepted", "{refused: yes}")),
    ("flows/a.yaml", FLOW.replace("accepted", "{transport: smtp, recipient: [a@b.example], source: 192.0.2.9}")),
    ("flows/a.yaml", FLOW + "  client: 2001:db8::1\n  port: 587\n  tls: off\n  hosts: mx.test.example\n"),
]


@pytest.mark.parametrize(("path", "text"), HEALTHY_FILES)
def test_every_form_that_a_section_takes_fits(path: str, text: str) -> None:
    secret = {"secrets/relay.age": "-----BEGIN AGE ENCRYPTED FILE-----\n"}

    assert loadable({"mail.yaml": MAIL, path: text, **secret}), "a healthy form"
    assert objections(path, text) == []


FORMS = (
    "25",
    "yes",
    "''",
    "a.test",
    "[]",
    "[a.test]",
    "[[a]]",
    "{}",
    "{a: b}",
    "{a: [b]}",
    "!secret relay",
    "2h",
    "no",
)


def keys(node: dict[str, Any], known: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield each key of a section with those that it is in, and for keys of the author's choice one of each form."""
    if reference := node.get("$ref"):
        yield from keys(known[reference.rpartition("/")[2]], known, above)
    for one in node.get("anyOf", ()):
        yield from keys(one, known, above)
    chosen = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    inner = [*node.get("properties", {}).items()]
    inner += [(name, one) for one in chosen if isinstance(one, dict) for name in ("slow", "smtp/inet")]
    for name, one in inner if len(above) < 4 else ():
        yield (*above, name)
        yield from keys(one, known, (*above, name))


@pytest.mark.parametrize("section", sorted(section_schemas()))
def test_every_form_of_a_value_is_read_or_refused_and_what_is_read_fits(section: str) -> None:
    schema = section_schemas()[section]
    unlike = []
    for path in sorted({(section,), *keys(schema, schema.get("$defs", {}), (section,))}):
        for form in FORMS:
            text = ": {".join(map(json.dumps, path)) + f": {form}" + "}" * (len(path) - 1) + "\n"
            text = text if section == "hostname" else MAIL + text
            files = {
                "mail.yaml": text,
                "files/slow": "x\n",
                "secrets/relay.age": "-----BEGIN AGE ENCRYPTED FILE-----\n",
            }
            if loadable(files) and (said := objections("mail.yaml", text)):
                unlike.append((text, said))

    assert unlike == []


BROKEN_FILES = [
    ("mail.yaml", MAIL + "parametres: {}\n"),
    ("mail.yaml", "hostname: mx\n"),
    ("mail.yaml", "hostname:\n"),
    ("mail.yaml", "{}\n"),
    ("mail.yaml", MAIL + "parameters: [a, b]\n"),
    ("mail.yaml", MAIL + "parameters: {mynetworks: [127.0.0.0/8]}\n"),
    ("mail.yaml", MAIL + "parameters: {mynetworks: }\n"),
    ("mail.yaml", MAIL + "parameters: {'my networks': a}\n"),
    ("mail.yaml", MAIL + "smart_host: yes\n"),
    ("mail.yaml", MAIL + "smart_host: {username: ada}\n"),
    ("mail.yaml", MAIL + "smart_host: {nexthop: [relay.example]}\n"),
    ("mail.yaml", MAIL + "smart_host: {preset: nosuch}\n"),
    ("mail.yaml", MAIL + "services: {smtp: {maxproc: 50}}\n"),
    ("mail.yaml", MAIL + "services: {smtp/inet: {maxprocs: 50}}\n"),
    ("mail.yaml", MAIL + "services: {smtp/inet: {maxproc: many}}\n"),
    ("mail.yaml", MAIL + "services: {smtp/inet: {chroot: perhaps}}\n"),
    ("mail.yaml", MAIL + "submission: {enabled: maybe}\n"),
    ("mail.yaml", MAIL + "submission: yes\n"),
    ("mail.yaml", MAIL + "transports: {slow: {concurrency: 0}}\n"),
    ("mail.yaml", MAIL + "transports: {slow: {rate_delay: 2 seconds}}\n"),
    ("mail.yaml", MAIL + "tls: {outbound: always}\n"),
    ("mail.yaml", MAIL + "files: {x: {mode: rw-r--r--}}\n"),
    ("mail.yaml", MAIL + "files: {x: {owner: postfix}}\n"),
    ("mail.yaml", MAIL + "egress: {ports: [70000]}\n"),
    ("mail.yaml", MAIL + "egress: {ports: 25}\n"),
    ("mail.yaml", MAIL + "dns: {ttl: 5}\n"),
    ("mail.yaml", MAIL + "dns: {dmarc: never}\n"),
    ("mail.yaml", MAIL + "sites: {site1: {domains: [a.example]}}\n"),
    ("mail.yaml", MAIL + "tables: {transport: a}\n"),
    ("hosts/mx2.example.com.yaml", "parametres: {}\n"),
    ("hosts/mx2.example.com.yaml", "transports: {slow: {concurency: 1}}\n"),
    ("sites/site1/site.yaml", SITE + "delivery: {address: 192.0.2.9}\n"),
    ("sites/site1/site.yaml", "domain: [a.example]\n"),
    ("sites/site1/site.yaml", "domains: a.example\n"),
    ("flows/a.yaml", FLOW.replace("accepted", "acepted")),
    ("flows/a.yaml", FLOW.replace("accepted", "{transports: smtp}")),
    ("flows/a.yaml", FLOW.replace("accepted", "{refused: 35x}")),
    ("flows/a.yaml", FLOW.replace("  to: b@c.example\n", "")),
    ("flows/a.yaml", FLOW + "  tls: perhaps\n"),
]


@pytest.mark.parametrize(("path", "text"), BROKEN_FILES)
def test_a_mistake_of_form_is_underlined(path: str, text: str) -> None:
    assert not loadable({"mail.yaml": MAIL, path: text}), "a mistake"
    assert objections(path, text) != []


def test_an_editor_offers_the_parameters_of_the_host_with_their_defaults() -> None:
    known = schemas(HOST.parameters)["mail"]["properties"]["parameters"]["properties"]
    options = schemas(HOST.parameters)["mail"]["properties"]["services"]["patternProperties"]

    assert known.keys() == HOST.parameters.keys()
    assert known["message_size_limit"]["description"] == "Postfix's default: 10240000"
    assert "message_size_limit" in json.dumps(options)
    assert "properties" not in schemas({})["mail"]["properties"]["parameters"]


def test_the_starter_names_its_schemas_and_has_them() -> None:
    starter = ROOT / "desired-state"

    written = {path.name: path.read_text() for path in (starter / ".schema").iterdir()}
    assert written == texts(schemas({})), "run: reconciler schema --write desired-state, without a host's parameters"
    for path in [starter / "mail.yaml", *starter.glob("flows/*.yaml")]:
        first = path.read_text().partition("\n")[0]
        named = first.removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / named).resolve().is_file(), first
        assert objections(str(path.relative_to(starter)), path.read_text()) == []
