"""What PEM files hold, by a program that ends, and keys for DKIM."""

from __future__ import annotations

import io
import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from reconciler.host.pem import MAX_BYTES, Block, identify, main, new_key, parse, public_half
from reconciler.model import Certificate, Key
from tests.unit.certificates import HOST_CERTIFICATE, NOW, OTHER, certificate, key

if TYPE_CHECKING:
    from pathlib import Path


def test_a_certificate_has_its_days_when_it_is_asked() -> None:
    (block,), problem = parse(certificate("A.example", "b.example", days=3, since=-2))
    assert problem == ""
    found = [block.at(NOW + timedelta(days=days)) for days in (-2.5, 0, 2.5, 3.5)]
    assert [(one.days, one.begun) for one in found if isinstance(one, Certificate)] == [
        (5, False), (2, True), (0, True), (-1, True)
    ]  # fmt: skip
    assert {one.names for one in found if isinstance(one, Certificate)} == {("a.example", "b.example")}


def test_a_key_and_its_certificate_have_one_public_key() -> None:
    blocks, problem = parse(key() + HOST_CERTIFICATE + key(OTHER))
    assert problem == ""
    own, theirs, other = (block.at(NOW) for block in blocks)
    assert isinstance(own, Key)
    assert own.public == theirs.public != other.public


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds neither a certificate nor a key"),
        (key(phrase=b"word"), "can't be read at its line 1: the key has a passphrase, which Postfix can't ask for"),
        (b"#\n" + HOST_CERTIFICATE.replace(b"\nMI", b"\nXX"), "can't be read at its line 2: not a certificate"),
    ],
)
def test_what_can_not_be_parsed_says_where_and_why(content: bytes, says: str) -> None:
    assert parse(content) == ([], says)


def test_the_program_answers_for_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = {"key": key(), "large": b"#" * (MAX_BYTES + 1), "no\udce9": HOST_CERTIFICATE}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    asked = [str(tmp_path / name) for name in (*contents, "missing")]
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(asked)))
    main()
    found = json.loads(capsys.readouterr().out)
    assert found[1:2] + found[3:] == [[[], "holds more than 4 MiB"], None]
    assert [Block(*found[place][0][0]).at(NOW) for place in (0, 2)] == [parse(one)[0][0].at(NOW) for one in
                                                                       (key(), HOST_CERTIFICATE)]  # fmt: skip


def test_what_no_parser_knows_is_a_certificate_without_names() -> None:
    assert identify(b"nonsense", NOW) == Certificate("")


def test_a_new_key_has_a_public_half() -> None:
    assert len(public_half(new_key())) > 300
    with pytest.raises(ValueError, match="not an RSA key"):
        public_half(key().decode())
    with pytest.raises(ValueError, match="not a private key, or it has a passphrase"):
        public_half("nonsense")
