"""Secrets open with the host's identity, show nowhere, and say what to do when they do not open."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from reconciler.model import File
from reconciler.repository import secrets
from reconciler.repository.secrets import BadIdentity, encrypt, new_identity, open_secrets, read_recipients, recipient

if TYPE_CHECKING:
    from pathlib import Path

SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN alice@rust"


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """A new identity."""
    new_identity(tmp_path / "identity.age")
    return tmp_path / "identity.age"


def test_a_new_identity_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "identity.age"
    public = new_identity(path)
    assert public == recipient(path)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    with pytest.raises(BadIdentity, match="File exists"):
        new_identity(path)
    assert path.read_bytes() == before


def test_a_secret_comes_back_as_it_was_without_one_line_end(identity: Path) -> None:
    to = [recipient(identity)]
    tree = {
        "secrets/smart_host.age": File.of(encrypt("pass wörd\n", to)),
        "secrets/two.age": File.of(encrypt("x\n\n", to)),
        "secrets/recipients": File.of(b"not a secret"),
        "secrets/below/three.age": File.of(b"not ours"),
        "mail.yaml": File.of(b""),
    }
    opened, findings = open_secrets(tree, identity)
    assert {name: secret.value for name, secret in opened.items()} == {"smart_host": "pass wörd", "two": "x\n"}
    assert findings == []
    assert "pass" not in repr(opened)


def test_sealed_text_is_armored_for_all_recipients(tmp_path: Path, identity: Path) -> None:
    other = new_identity(tmp_path / "other")
    sealed = encrypt("x", [recipient(identity), other, SSH])
    assert sealed.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----\n")
    for path in (identity, tmp_path / "other"):
        assert open_secrets({"secrets/a.age": File.of(sealed)}, path)[0]["a"].value == "x"


def test_a_binary_age_file_opens_as_well(identity: Path) -> None:
    armored = encrypt("x", [recipient(identity)]).decode().splitlines()
    binary = base64.b64decode("".join(armored[1:-1]))
    assert open_secrets({"secrets/a.age": File.of(binary)}, identity)[0]["a"].value == "x"


@pytest.mark.parametrize("sealed", [b"", b"plain text", b"-----BEGIN AGE ENCRYPTED FILE-----\nxx"])
def test_a_damaged_file_is_a_finding_of_the_moment(identity: Path, sealed: bytes) -> None:
    opened, (finding,) = open_secrets({"secrets/relay.age": File.of(sealed)}, identity)
    assert opened == {}
    assert (finding.rule, str(finding.where), finding.lasting) == ("secret-not-opened", "secrets/relay.age:1:1", False)
    assert "damaged" in finding.text
    assert "`reconciler secret set relay`" in finding.text


def test_a_secret_for_somebody_else_names_the_key_to_add(tmp_path: Path, identity: Path) -> None:
    sealed = encrypt("x", [new_identity(tmp_path / "other")])
    _, (finding,) = open_secrets({"secrets/a.age": File.of(sealed)}, identity)
    assert f"add {recipient(identity)} to secrets/recipients" in finding.text


def test_a_missing_or_broken_identity_is_a_finding_for_each_secret(tmp_path: Path) -> None:
    tree = {"secrets/a.age": File.of(b"x"), "secrets/b.age": File.of(b"x")}
    _, findings = open_secrets(tree, tmp_path / "none")
    assert [finding.subject for finding in findings] == ["a", "b"]
    assert "No such file or directory" in findings[0].text
    (tmp_path / "bad").write_text("AGE-SECRET-KEY-1MISTYPED\n")
    _, findings = open_secrets(tree, tmp_path / "bad")
    assert "expected one line AGE-SECRET-KEY-1..." in findings[0].text
    assert "MISTYPED" not in str(findings)


def test_without_secrets_no_identity_is_needed(tmp_path: Path) -> None:
    assert open_secrets({"mail.yaml": File.of(b"")}, tmp_path / "none") == ({}, [])


def test_a_secret_is_opened_once_for_each_content(identity: Path) -> None:
    sealed = encrypt("x", [recipient(identity)])
    reads = []

    def read() -> bytes:
        reads.append(1)
        return sealed

    file = File("digest of this test", 0o100644, "", read)
    for _ in range(3):
        assert open_secrets({"secrets/a.age": file}, identity)[0]["a"].value == "x"
    assert len(reads) == 1
    assert secrets._opened.cache_info().maxsize  # noqa: SLF001 - it is bounded


def test_recipients_are_read_with_comments_and_their_mistakes(identity: Path) -> None:
    public = recipient(identity)
    private = identity.read_text().splitlines()[1]
    text = f"# us\n\n{public}\n {SSH}\nage1mistyped\n{private}\n"
    recipients, findings = read_recipients(text, "secrets/recipients")
    assert recipients == [public, SSH]
    assert [finding.where.line for finding in findings] == [5, 6]
    assert 'got "age1mistyped"' in findings[0].text
    assert "it is exposed now" in findings[1].text
    assert private not in str(findings)


def test_nobody_to_encrypt_to_is_an_error() -> None:
    for recipients in ([], ["age1mistyped"]):
        with pytest.raises(ValueError, match="needs recipients"):
            encrypt("x", recipients)


def test_a_sealed_file_comes_back_byte_for_byte_and_names_itself(tmp_path: Path, identity: Path) -> None:
    to = [recipient(identity)]
    content = b"a: b\r\n\xff\n\n"
    tree = {"files/sasl/smtpd.conf.age": File.of(encrypt(content, to)), "files/plain": File.of(b"x")}

    opened, findings = open_secrets(tree, identity)

    assert {name: one.value.encode("utf-8", "surrogateescape") for name, one in opened.items()} == {
        "files/sasl/smtpd.conf": content
    }
    assert findings == []
    other = encrypt("x", [new_identity(tmp_path / "other")])
    _, (finding,) = open_secrets({"files/key.age": File.of(other)}, identity)
    assert (finding.subject, finding.where.file) == ("files/key", "files/key.age")
    assert "run `reconciler secret set files/key`" in finding.text
