"""What the files of the installed Postfix hold is what the tests of the rules use, and other files say nothing."""

from __future__ import annotations

import struct
import tracemalloc
from typing import TYPE_CHECKING

from reconciler.host.programs import binaries
from reconciler.postfix.installed_words import WORDS
from tests.unit.host_facts import HOST, READS, UNSAID

if TYPE_CHECKING:
    from pathlib import Path

INSTALLED = ("/usr/lib/postfix/sbin", "/usr/sbin", "/usr/lib/postfix")
PARAMETERS = frozenset(HOST.parameters)


def program(texts: bytes, *pointers: int) -> bytes:
    """A 64-bit program that loads its whole file at 0x1000: the texts begin at 128, and the pointers come last."""
    header = b"\x7fELF\x02".ljust(32, b"\0") + struct.pack("Q", 64) + bytes(14) + struct.pack("HH", 56, 1)
    segment = struct.pack("IIQQQQQQ", 1, 6, 0, 0x1000, 0, 0x10000, 0, 0)
    body = (header.ljust(64, b"\0") + segment).ljust(128, b"\0") + texts
    return body.ljust(-(-len(body) // 8) * 8, b"\0") + b"".join(struct.pack("Q", 0x1000 + one) for one in pointers)


def test_the_installed_programs_read_what_the_rules_are_tested_with() -> None:
    spoken = binaries.spoken(INSTALLED, PARAMETERS, WORDS, (1,))
    assert spoken.reads == READS
    assert spoken.unsaid == UNSAID


def test_a_program_reads_its_own_parameters_and_not_those_of_another() -> None:
    assert "header_checks" in READS["cleanup"]  # its file has it only at the end of $header_checks
    assert not {"header_checks", "always_bcc", "smtp_helo_name"} & READS["smtpd"]
    assert not {"header_checks", "lmtp_host_lookup"} & READS["smtp"]
    assert "lmtp_host_lookup" in READS["lmtp"]
    assert "smtp_host_lookup" not in READS["lmtp"]
    assert "smtpd_milters" not in READS["cleanup"]
    assert "transport_maps" not in READS["local"]
    assert all({"myhostname", "mynetworks", "max_use"} <= reads for reads in READS.values())


def test_the_end_of_a_longer_text_counts_if_the_program_points_at_it(tmp_path: Path) -> None:
    texts = b"\0$myhostname\0bar_relayhost\0\0mynetworks\0"
    (tmp_path / "one").write_bytes(program(texts, 128 + texts.index(b"myhostname")))
    (tmp_path / "two").write_bytes(program(texts))
    (tmp_path / "text").write_text("\0relayhost\0")
    (tmp_path / "cut").write_bytes(program(texts)[:30])
    spoken = binaries.spoken((str(tmp_path), "/nosuch", "/nosuch"), PARAMETERS, frozenset(), (2,))
    assert spoken.reads == {"one": {"myhostname", "mynetworks"}, "two": {"mynetworks"}}


def test_a_program_reads_what_its_libraries_read(tmp_path: Path) -> None:
    (tmp_path / "libpostfix-tls.so").write_bytes(program(b"\0tls_random_source\0"))
    (tmp_path / "postfix-lmdb.so").write_bytes(program(b"\0lmdb_map_size\0"))
    (tmp_path / "other.so").write_bytes(program(b"\0relayhost\0"))
    (tmp_path / "one").write_bytes(program(b"\0libpostfix-tls.so\0"))
    (tmp_path / "two").write_bytes(program(b"\0myhostname\0"))
    daemons = tmp_path / "daemons"
    daemons.mkdir()
    for name in ("one", "two"):
        (tmp_path / name).rename(daemons / name)
    spoken = binaries.spoken((str(daemons), "/nosuch", str(tmp_path)), PARAMETERS, frozenset(), (3,))
    assert spoken.reads == {"one": {"tls_random_source", "lmdb_map_size"}, "two": {"myhostname", "lmdb_map_size"}}


def test_words_that_no_program_says_are_unsaid_and_without_programs_none_is(tmp_path: Path) -> None:
    words = frozenset({"hold", "policy_type", "match"})
    (tmp_path / "one").write_bytes(program(b"\0HOLD\0$cert_match\0myhostname\0"))
    assert binaries.spoken((str(tmp_path), "/nosuch", "/nosuch"), PARAMETERS, words, (4,)).unsaid == {"policy_type"}
    assert binaries.spoken(("/nosuch",) * 3, PARAMETERS, words, (5,)) == ({}, frozenset())


def test_one_program_at_a_time_is_held(tmp_path: Path) -> None:
    texts = b"".join(b"\0text %d" % one for one in range(1000))
    peaks = []
    for count in (2, 12):
        for number in range(count):
            (tmp_path / f"program{number}").write_bytes(program(texts + b"\0relayhost\0"))
        tracemalloc.start()
        spoken = binaries.spoken((str(tmp_path), "/nosuch", "/nosuch"), frozenset({"relayhost"}), WORDS, (9, count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(spoken.reads) == count
    assert peaks[1] < 2 * peaks[0], peaks
