"""Rows of tls_server_sni_maps: files that are there, load, belong together, and name who is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.desired.lint import mentioned
from reconciler.features.composition import compose
from reconciler.host.facts import gather
from reconciler.host.settings import Settings
from reconciler.model import Where
from tests.unit.certificates import OTHER, certificate, key
from tests.unit.desired_states import desired, findings_of, linted, only_finding
from tests.unit.host_facts import HOST, facts
from tests.unit.recorded_host import recorded

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model import Facts

TLS = {"smtpd_tls_security_level": "may"}
GOOD = key() + certificate("a.test")


def look(folder: Path, rows: str, name: str = "sni", **contents: bytes) -> tuple[dict[str, str], Facts]:
    """Write files, and gather the facts that a table with these rows asks for."""
    for path, content in contents.items():
        (folder / path).write_bytes(content)
    files = {f"tables/{name}": rows.replace("DIR", str(folder))}
    asked = mentioned(compose(desired(TLS, files), HOST), HOST)
    known = gather(recorded(), Settings(host="mx1", config_directory=folder), asked)
    return files, facts(files={**known.files, **HOST.files}, pems=known.pems)


@pytest.mark.parametrize(
    "rows",
    [
        "a.test DIR/good\n",
        "A.test DIR/key, DIR/leaf\n",
        ".sub.test DIR/key DIR/star\nsub.test DIR/sub\n",
        "a.test DIR/key\n  DIR/leaf\n",
    ],
)
def test_healthy_rows_say_nothing(tmp_path: Path, rows: str) -> None:
    state, known = look(
        tmp_path, rows, good=GOOD, key=key(), leaf=certificate("a.test"), star=certificate("*.sub.test"),
        sub=key() + certificate("sub.test"),
    )  # fmt: skip
    found = linted(desired(TLS, state), known)
    assert [str(finding) for finding in found if "sni" in str(finding)] == []


@pytest.mark.parametrize(
    ("row", "rule", "refused", "says"),
    [
        ("a.test DIR/nosuch", "missing-file", True, "show another certificate"),
        ("a.test good.pem", "missing-file", True, "not an absolute path"),
        ("a.test DIR/leaf, DIR/key", "key-mismatch", True, "the key comes first in tls_server_sni_maps"),
        ("a.test DIR/key DIR/foreign", "key-mismatch", True, "clients that ask for a.test would get no TLS"),
        ("a.test DIR/empty", "unreadable-certificate", True, "holds neither"),
        ("a.test DIR/old", "certificate-expired", True, "expired 3 days ago"),
        ("a.test DIR/soon", "certificate-expires", False, "expires in 7 days"),
        ("b.test DIR/good", "certificate-name", False, 'is for a.test and not for "b.test"'),
        (".a.test DIR/good", "certificate-name", False, 'not for ".a.test"'),
        ("*.a.test DIR/good", "key-never-matches", True, "did you mean .a.test?"),
    ],
)
def test_a_row_that_smtpd_could_not_use_is_told_at_its_line(
    tmp_path: Path, row: str, rule: str, refused: bool, says: str
) -> None:
    state, known = look(
        tmp_path, f"# ours\n{row}\n", good=GOOD, key=key(), leaf=certificate("a.test"), empty=b"",
        foreign=certificate("a.test", private=OTHER), old=key() + certificate("a.test", days=-3.5, since=-9),
        soon=key() + certificate("a.test", days=7.5, since=-9),
    )  # fmt: skip
    (finding,) = findings_of(rule, TLS, state, known)
    assert finding.is_error == refused
    assert finding.where == Where("tables/sni", 2)
    assert says in finding.text


def test_where_nobody_is_offered_tls_rows_are_only_told_of(tmp_path: Path) -> None:
    state, known = look(tmp_path, "a.test DIR/empty\n", empty=b"")
    (finding,) = findings_of("unreadable-certificate", {"smtpd_tls_security_level": "none"}, state, known)
    assert not finding.is_error


def test_patterns_are_judged_by_their_files_alone(tmp_path: Path) -> None:
    state, known = look(tmp_path, "/test$/ DIR/good\n", "names.regexp", good=GOOD)
    found = linted(desired(TLS | {"tls_server_sni_maps": "table:names"}, state), known)
    assert [str(finding) for finding in found if "names" in str(finding)] == []


@pytest.mark.parametrize("name", ["sni.lmdb", "sni.hash", "names"])
def test_a_compiled_map_is_refused(name: str) -> None:
    base = name.partition(".")[0]
    parameters = TLS | {"tls_server_sni_maps": f"table:{base}"}
    assert f"tables/{base}.texthash" in only_finding("compiled-sni-map", parameters, {f"tables/{name}": "a.test /c\n"})


def test_a_map_that_lies_elsewhere_is_somebody_elses() -> None:
    state = TLS | {"tls_server_sni_maps": "lmdb:/etc/other"}
    assert not findings_of("compiled-sni-map", state, facts=facts(files={"/etc/other.lmdb": True}))
