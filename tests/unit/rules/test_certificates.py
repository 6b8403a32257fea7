"""Certificates and keys, made by cryptography and read as the daemon reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.desired.lint import mentioned
from reconciler.features.composition import compose
from reconciler.host import certificates
from reconciler.host.facts import gather
from reconciler.host.settings import Settings
from reconciler.model import Certificate, Key, Mentioned
from tests.unit.certificates import HOST_CERTIFICATE, OTHER, certificate, key
from tests.unit.desired_states import desired, findings_of, only_finding
from tests.unit.host_facts import HOST, facts
from tests.unit.recorded_host import recorded

if TYPE_CHECKING:
    from reconciler.model import Facts

NOW = datetime.now(UTC)
TLS = {"smtpd_tls_security_level": "may"}


PAIR = {"smtpd_tls_cert_file": "DIR/c", "smtpd_tls_key_file": "DIR/k"}


def look(folder: Path, parameters: dict[str, str], **contents: bytes) -> tuple[dict[str, str], Facts]:
    """Write files, and gather the facts that a state which names them asks for."""
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    named = {name: value.replace("DIR", str(folder)) for name, value in parameters.items()}
    known = gather(
        recorded(), Settings(host="mx1", config_directory=folder), mentioned(compose(desired(named), HOST), HOST)
    )
    return named, facts(files={**known.files, **HOST.files}, pems=known.pems)


def chain(folder: Path, content: bytes, **more: str) -> tuple[dict[str, str], Facts]:
    return look(folder, {"smtpd_tls_chain_files": "DIR/chain"} | TLS | more, chain=content)


def test_a_healthy_certificate_says_nothing(tmp_path: Path) -> None:
    healthy = (
        chain(tmp_path, key() + HOST_CERTIFICATE),
        chain(tmp_path, key() + certificate("*.test.example")),
        chain(tmp_path, key() + HOST_CERTIFICATE + certificate(days=5, private=OTHER) + key(OTHER) + certificate(
            "mx.test.example", private=OTHER)),
        look(tmp_path, TLS | PAIR, c=HOST_CERTIFICATE, k=key()),
        look(tmp_path, TLS | {"smtpd_tls_cert_file": "DIR/both"}, both=HOST_CERTIFICATE + key()),
    )  # fmt: skip
    for parameters, known in healthy:
        for rule in ("unreadable-certificate", "key-mismatch", "certificate-expired", "certificate-expires",
                     "certificate-name"):  # fmt: skip
            assert not findings_of(rule, parameters, facts=known), rule


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "holds neither"),
        (b"hello\n", "holds neither"),
        (b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", "line 1: not a certificate"),
        (key(phrase=b"geheim"), "has a passphrase"),
        (b"-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n", "not a key"),
    ],
)
def test_a_file_that_openssl_could_not_load_is_refused_for_now(tmp_path: Path, content: bytes, why: str) -> None:
    parameters, known = chain(tmp_path, content)
    (finding,) = findings_of("unreadable-certificate", parameters, facts=known)
    assert (finding.is_error, finding.lasting) == (True, False)
    assert why in finding.text


def test_where_nobody_is_offered_tls_it_is_only_told(tmp_path: Path) -> None:
    parameters, known = chain(tmp_path, b"", smtpd_tls_security_level="none")
    (finding,) = findings_of("unreadable-certificate", parameters, facts=known)
    assert not finding.is_error


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (HOST_CERTIFICATE + key(), "the key comes first"),
        (key(OTHER) + HOST_CERTIFICATE, "does not belong to the certificate after it"),
        (key(), "not followed by its certificate"),
        (key() + key(OTHER) + HOST_CERTIFICATE, "not followed by its certificate"),
    ],
)
def test_a_chain_is_a_key_and_its_certificate(tmp_path: Path, content: bytes, why: str) -> None:
    parameters, known = chain(tmp_path, content)
    assert why in only_finding("key-mismatch", parameters, facts=known)


def test_a_pair_of_files_belongs_together(tmp_path: Path) -> None:
    pair = TLS | PAIR
    for content, why in ((key(OTHER), "does not belong to"), (HOST_CERTIFICATE, "holds no key")):
        parameters, known = look(tmp_path, pair, c=HOST_CERTIFICATE, k=content)
        assert why in only_finding("key-mismatch", parameters, facts=known)
    client = {"smtp_tls_cert_file": "DIR/c", "smtp_tls_key_file": "DIR/k"}
    parameters, known = look(tmp_path, client, c=HOST_CERTIFICATE, k=key(OTHER))
    assert "smtp_tls_cert_file" in only_finding("key-mismatch", parameters, facts=known)
    parameters, known = look(tmp_path, pair, c=key(), k=key())
    assert "holds no certificate" in only_finding("key-mismatch", parameters, facts=known)


@pytest.mark.parametrize(
    ("days", "since", "rule", "refused", "says"),
    [
        (-3.5, -9, "certificate-expired", True, "expired 3 days ago"),
        (-0.5, -9, "certificate-expired", True, "expired less than a day ago"),
        (90, 2, "certificate-expired", True, "not valid yet"),
        (7.5, -9, "certificate-expires", False, "expires in 7 days"),
        (1.5, -9, "certificate-expires", False, "expires in 1 day"),
    ],
)
def test_a_certificate_is_good_today(
    tmp_path: Path, days: float, since: float, rule: str, refused: bool, says: str
) -> None:
    parameters, known = chain(tmp_path, key() + certificate("mx.test.example", days=days, since=since))
    (finding,) = findings_of(rule, parameters, facts=known)
    assert (finding.is_error, finding.lasting, says in finding.text) == (refused, False, True), finding.text


def test_a_certificate_names_this_host(tmp_path: Path) -> None:
    for names in (("a.example", "b.example"), ("*.mx.test.example",), ()):
        parameters, known = chain(tmp_path, key() + certificate(*names))
        (finding,) = findings_of("certificate-name", parameters, facts=known)
        assert not finding.is_error
        assert (names or ("common.example",))[0] in finding.text


def test_files_are_parsed_by_one_process_when_they_have_changed(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("c", "k", "no\udce9", "d")]
    for path, content in zip(paths, (HOST_CERTIFICATE, key(), HOST_CERTIFICATE + b"-----BEGIN", b""), strict=True):
        Path(path).write_bytes(content)
    asked = recorded()
    first = certificates.read([*paths, str(tmp_path / "missing")], NOW, asked)
    assert [list(map(type, first[path].blocks)) for path in paths] == [[Certificate], [Key], [Certificate], []]
    assert [first[path].problem for path in paths] == ["", "", "", "holds neither a certificate nor a key"]
    assert certificates.read(paths, NOW, asked) == first
    assert len(asked.asked) == 1
    later = certificates.read(paths, NOW + timedelta(days=100), asked)[paths[0]].blocks[0]
    assert isinstance(later, Certificate)
    assert (later.days, later.names) == (-11, ("mx.test.example",))
    Path(paths[0]).write_bytes(key())
    (block,) = certificates.read(paths, NOW, asked)[paths[0]].blocks
    assert isinstance(block, Key)
    assert len(asked.asked) == 2


def test_facts_stay_equal_while_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(HOST_CERTIFICATE)
    asked = Mentioned(pems=frozenset({str(tmp_path / "c"), str(tmp_path / "nosuch")}))
    settings = Settings(host="mx1", config_directory=tmp_path)
    assert gather(recorded(), settings, asked).pems == gather(recorded(), settings, asked).pems
