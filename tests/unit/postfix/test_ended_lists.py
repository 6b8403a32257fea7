"""The table of DNS lists that ended: each with a year and a source, and none that is in service."""

from __future__ import annotations

import re

import pytest

from reconciler.postfix.ended_lists import ENDED

IN_SERVICE = """
    zen.spamhaus.org bl.spamcop.net b.barracudacentral.org psbl.surriel.com dnsbl-1.uceprotect.net bl.mailspike.net
    list.dnswl.org dnsbl.dronebl.org korea.services.net spamsources.fabel.dk cbl.abuseat.org bl.blocklist.de
    all.spamrats.com truncate.gbudb.net multi.uribl.com multi.surbl.org hostkarma.junkemailfilter.com
"""


@pytest.mark.parametrize("domain", ENDED)
def test_each_has_a_year_and_a_source(domain: str) -> None:
    ended = ENDED[domain]
    assert 1998 <= ended.year <= 2026
    assert re.fullmatch(r"https?://\S+", ended.source)
    assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain)


@pytest.mark.parametrize("domain", IN_SERVICE.split())
def test_a_list_in_service_is_not_one_of_them(domain: str) -> None:
    labels = domain.split(".")
    assert not {".".join(labels[start:]) for start in range(len(labels))} & ENDED.keys()
