"""What a parameter means, from postconf(5) as the package installs it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from reconciler.host.programs.manual import first_sentence, meaning

if TYPE_CHECKING:
    from pathlib import Path

# RecordedHost from Postfix 3.7.11's manual page.
PAGE = r""".SH mynetworks (default: see "postconf \-d" output)
The list of "trusted" remote SMTP clients that have more privileges than
"strangers".
.PP
In particular, "trusted" SMTP clients are allowed to relay mail
.SH relayhost (default: empty)
The next\-hop destination(s) for non\-local mail; overrides non\-local
domains in recipient addresses. This information is overruled with
relay_transport, sender_dependent_default_transport_maps,
.SH transport_destination_recipient_limit (default: $default_destination_recipient_limit)
A transport\-specific override for the
default_destination_recipient_limit parameter value.
With \fItransport\fR the master.cf name of it.
.PP
"""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("mynetworks", 'The list of "trusted" remote SMTP clients that have more privileges than "strangers".'),
        (
            "relayhost",
            "The next-hop destination(s) for non-local mail; overrides non-local domains in recipient addresses.",
        ),
        (
            "transport_destination_recipient_limit",
            "A transport-specific override for the default_destination_recipient_limit parameter value.",
        ),
        ("network", ""),
        ("my.*", ""),
    ],
)
def test_the_first_sentence_is_plain_text(name: str, told: str) -> None:
    assert first_sentence(PAGE, name) == told


def test_a_page_is_read_compressed_or_not_and_may_be_missing(tmp_path: Path) -> None:
    assert meaning("relayhost", tmp_path) == ""
    folder = tmp_path / "man5"
    folder.mkdir()
    (folder / "postconf.5").write_text(PAGE)
    assert meaning("relayhost", tmp_path).startswith("The next-hop")
    (folder / "postconf.5.gz").write_bytes(gzip.compress(PAGE.replace("next", "last").encode()))
    assert meaning("relayhost", tmp_path).startswith("The last-hop")
    (folder / "postconf.5.gz").write_bytes(b"garbage")
    assert meaning("relayhost", tmp_path).startswith("The next-hop")
