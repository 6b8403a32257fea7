"""BIND is the judge of what the reader of zones accepts: named-checkzone agrees with it on every record."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from reconciler.features.dns.zone import Record, read
from reconciler.model import Where

if TYPE_CHECKING:
    from pathlib import Path

ZONE = """\
example.com. 60 IN SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 300
example.com. 60 IN NS ns.example.com.
ns.example.com. 60 IN A 192.0.2.1
"""
GOOD = (
    "a.example.com. 60 IN A 192.0.2.1 ; ours",
    'a.example.com. 60 IN TXT "a;b" ; c',
    'a.example.com. 60 IN TXT "a""b"',
    r'a.example.com. 60 IN TXT "\195\169 \" \\"',
    'a.example.com. 60 IN TXT ( "v=DKIM1; (" ; the key\n    "p=AAAA"\n)',
    r'a\.b.example.com. 60 IN TXT "x"',
    '-a.example.com. 60 IN TXT "x"',
    "_x._tcp.example.com. 60 IN SRV 0 0 0 .",
    "*.example.com. 60 IN MX 010 ns.example.com.",
    "a._spf.example.com. 60 IN A 127.0.0.2",
    "a.example.com. 60 IN CAA 0 issue letsencrypt.org",
    'a.example.com. 60 IN CAA 128 issue ";"',
    "a.example.com. 60 IN HTTPS 1 . alpn=h2,h3 port=8443",
    'a.example.com. 60 IN HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.1,192.0.2.2 ; both',
    "a.example.com. 60 IN SVCB 0 ns.example.com.",
    r"a.example.com. 60 IN MX \# 18 000A 026E73076578616D706C6503636F6D00",
    f"a.example.com. 60 IN TLSA 3 1 1 {'AB' * 16} {'CD' * 16}",
    f"a.example.com. 60 IN SSHFP 4 2 {'AB' * 32}",
    "a.example.com. 60 IN OPENPGPKEY QUJD REVG",
    r"a.example.com. 60 IN TYPE1 \# 4 C0000201",
    r"a.example.com. 60 IN TYPE65280 \# 4 C0000201",
)
BAD = (
    r'a.example.com. 60 IN TXT "\25x"',
    r'a.example.com. 60 IN TXT "\256"',
    'a.example.com. 60 IN TXT "x',
    'a.example.com. 60 IN TXT "x" )',
    'a.example.com. 60 IN TXT ( "x"',
    r'foo\.example.com. 60 IN TXT "x"',
    "_x.example.com. 60 IN A 192.0.2.1",
    "a._spf.example.com. 60 IN AAAA ::1",
    "_x.example.com. 60 IN MX 10 ns.example.com.",
    "a.example.com. 60 IN MX 10 n_s.example.com.",
    "a.example.com. 60 IN A 192.0.2.01",
    "a.example.com. 60 IN A 192.0.2.1 192.0.2.2",
    "a..example.com. 60 IN A 192.0.2.1",
    'a.example.com. 60 IN CAA 0 is-sue "x"',
    'a.example.com. 60 IN CAA 256 issue "x"',
    "a.example.com. 60 IN CAA 0 issue ;",
    "a.example.com. 60 IN HTTPS 1 . foo=bar",
    "a.example.com. 60 IN HTTPS 1 . alpn",
    "a.example.com. 60 IN SSHFP 4 2 abc",
    "a.example.com. 60 IN SRV 0 0 99999 ns.example.com.",
    r"a.example.com. 60 IN TYPE1 \# 3 C00002",
    r"a.example.com. 60 IN TYPE65280 \# 3 C0000201",
    r"a.example.com. 60 IN TYPE255 \# 0",
)


def test_bind_accepts_and_refuses_the_same_records(tmp_path: Path) -> None:
    verdicts = {text: (accepted(text), bind_accepts(tmp_path / "zone", text)) for text in (*GOOD, *BAD)}
    assert verdicts == dict.fromkeys(GOOD, (True, True)) | dict.fromkeys(BAD, (False, False))


def test_what_is_read_is_what_bind_serves(tmp_path: Path) -> None:
    for text in GOOD:
        records: dict[Record, Record] = {}
        assert read([(Where("t", 1), line) for line in text.split("\n")], "example.com", records) == []
        [record] = records
        assert compiled(tmp_path / "zone", text) == compiled(tmp_path / "zone", str(record)), text


def accepted(text: str) -> bool:
    """Return whether the reader takes a record."""
    records: dict[Record, Record] = {}
    return not read([(Where("t", 1), line) for line in text.split("\n")], "example.com", records)


def bind_accepts(file: Path, text: str) -> bool:
    """Return whether BIND takes a record, as a primary server does."""
    file.write_text(f"{ZONE}{text}\n")
    done = subprocess.run(checkzone(file), capture_output=True, text=True, check=False)
    return done.returncode == 0 and "out-of-zone" not in done.stdout + done.stderr


def compiled(file: Path, text: str) -> list[str]:
    """Return the records of a zone as BIND writes them; strings of TXT are joined, names are in lower case."""
    file.write_text(f"{ZONE}{text}\n")
    done = subprocess.run(checkzone(file, "-D", "-o", "-"), capture_output=True, text=True, check=True)
    return done.stdout.lower().replace('" "', "").split("\n")


def checkzone(file: Path, *options: str) -> list[str]:
    """Return the command that judges a zone, with the checks of names that a primary server makes."""
    return ["named-checkzone", "-i", "none", "-k", "fail", *options, "example.com", str(file)]
