"""The facts of a host as a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from reconciler.host.facts_file import as_text, read_facts
from reconciler.model import (
    Access,
    AccessKind,
    Certificate,
    Key,
    Lookup,
    OtherInstance,
    Pem,
    Place,
    PlaceUse,
    Secret,
    Server,
    Space,
)
from reconciler.model.errors import BadFacts
from tests.unit.host_facts import HOST, facts

if TYPE_CHECKING:
    from pathlib import Path

ANSWERED = facts(
    files={"/etc/aliases.db": True, "/etc/ssl/x.pem": False},
    pems={"/etc/ssl/x.pem": Pem((Key("k"), Certificate("k", ("mx.test.example",), 60)), "problem")},
    answers={Server("localhost", 11332): "", Server(path="/run/x"): "no such file", Server(port=53): None},
    names={"192.0.2.10": ("mx.test.example",), "192.0.2.11": None},
    places={Place("/var/opt", "postfix", PlaceUse.FOLDER): "postfix can't use it"},
    packages={"rspamd": "3.4"},
    reserved=("/etc/reconciler",),
    accesses={Access("/srv/mail", "vmail:", AccessKind.WRITE): None},
    spaces={Space("/var/spool/postfix", 1 << 30): ""},
    lookups={Lookup("ldap:people", "a@b.example", "postfix", "/jail"): "time-out"},
    hosts={"relay.example": ("192.0.2.1",), "none.example": None},
    resolvers={"/etc/resolv.conf": ("192.0.2.53",), "/jail/etc/resolv.conf": None},
    instances=(OtherInstance("/etc/postfix", "", "/q", "/d", "postfix", enabled=False),),
    is_default=False,
    is_listed=False,
)


def file(folder: Path, text: str) -> Path:
    path = folder / "mx1.json"
    path.write_text(text)
    return path


@pytest.mark.parametrize("known", [HOST, ANSWERED])
def test_what_is_written_is_read_again(tmp_path: Path, known: object) -> None:
    text = as_text(known)  # type: ignore[arg-type] # facts, as the parameters say

    assert read_facts(file(tmp_path, text)) == known
    assert as_text(read_facts(file(tmp_path, text))) == text


def test_a_file_without_answers_has_none(tmp_path: Path) -> None:
    wanted = {"format", "host", "version", "parameters", "map_types", "programs", "addresses", "users", "ports"}
    values = {name: value for name, value in json.loads(as_text(HOST)).items() if name in {*wanted, "listeners"}}

    read = read_facts(file(tmp_path, json.dumps(values)))

    assert (read.host, read.files, read.answers) == ("mx.test.example", {}, {})


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"users": "root"}, "users: "),
        ({"format": 2}, "format: "),
        ({"colour": "green"}, "colour: "),
        ({"addresses": ["192.0.2.300/24"]}, "addresses.0"),
        ({"accesses": [[["/x", "u", "paint"], None]]}, "accesses.0.0"),
    ],
)
def test_another_file_is_refused_with_its_place(tmp_path: Path, change: dict[str, object], what: str) -> None:
    path = file(tmp_path, json.dumps(json.loads(as_text(HOST)) | change))

    with pytest.raises(BadFacts, match="not the facts of a host") as refused:
        read_facts(path)

    assert what in str(refused.value)
    assert "`reconciler facts`" in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "hostname: mx1.example.com\n"])
def test_what_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadFacts, match=r"mx1\.json: not the facts"):
        read_facts(file(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFacts, match="none: No such file"):
        read_facts(tmp_path / "none")


def test_the_description_of_a_table_which_has_a_password_is_not_written() -> None:
    described = Lookup("mysql:/etc/postfix/users", "a@b.example", "postfix", "", Secret("users", "password = s3cret\n"))

    assert "s3cret" not in as_text(facts(lookups={described: "", **ANSWERED.lookups}))
