"""Published records are remembered by server and zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.features.dns.zone import Record
from reconciler.host.effects import Host
from reconciler.state.published_records import BadRecord, Published

if TYPE_CHECKING:
    from pathlib import Path

MX = Record("v.example.", "MX", "10 mail.v.example.", 60)
SPF = Record("v.example.", "TXT", '"v=spf1 mx -all"', 60)


def test_what_is_ours_is_remembered_by_server_and_zone(tmp_path: Path) -> None:
    published = Published(tmp_path, Host())
    assert published.read() == {}
    published.note("192.0.2.53", "v.example", {MX, SPF})
    published.note("192.0.2.53", "w.example", {MX})
    published.note("192.0.2.53", "w.example", set())
    assert published.read() == {"192.0.2.53": {"v.example": {MX, SPF}}}
    (tmp_path / "dns.json").write_text("[")
    with pytest.raises(BadRecord, match="does not know which records"):
        published.read()
