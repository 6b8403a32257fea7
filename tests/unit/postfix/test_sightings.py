"""A fault of another program lasts, or it was a restart."""

from __future__ import annotations

import math

from reconciler.postfix.log import LogLine
from reconciler.postfix.sightings import OFTEN, SETTLED, SPAN, Sightings

FAULT = LogLine("postfix/smtpd", 7, "warning: connect to Milter service inet:127.0.0.1:9: Connection refused")
KEY = ("postfix/smtpd", "milter")


def accepted(sightings: Sightings, tag: str = "postfix/smtpd", queue_id: str = "3B2A1") -> None:
    sightings.worked(LogLine(tag, 8, f"{queue_id}: client=x[192.0.2.1]"))
    sightings.worked(LogLine("postfix/qmgr", 9, f"{queue_id}: from=<a@b.test>, size=320, nrcpt=1 (queue active)"))


def test_one_fault_after_which_nothing_works_lasts_after_a_while() -> None:
    sightings = Sightings()
    assert sightings.due(0) == math.inf
    sightings.add(KEY, FAULT, 100.0)
    assert sightings.lasting(100.0) == []
    assert sightings.due(101.0) == SETTLED - 1
    assert sightings.lasting(100.0 + SETTLED) == [FAULT]


def test_a_fault_after_which_mail_is_accepted_does_not_last_until_it_is_seen_again() -> None:
    sightings = Sightings()
    sightings.add(KEY, FAULT, 100.0)
    accepted(sightings)
    assert sightings.lasting(1000.0) == sightings.pending == []
    sightings.add(KEY, FAULT, 1000.0)
    assert sightings.lasting(1000.0 + SETTLED) == [FAULT]


def test_only_what_went_the_same_way_shows_that_it_works() -> None:
    sightings = Sightings()
    sightings.add(KEY, FAULT, 100.0)
    accepted(sightings, tag="postfix/submission/smtpd")
    notice = "3B2A2: from=<double-bounce@mx1.example.com>, size=850, nrcpt=1 (queue active)"  # Postfix's own, about it
    sightings.worked(LogLine("postfix/qmgr", 9, notice))
    sent = "3B2A2: to=<root@mx1.example.com>, relay=local, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered)"
    sightings.worked(LogLine("postfix/local", 9, sent))
    assert sightings.lasting(100.0 + SETTLED) == [FAULT]


def test_a_delivery_shows_that_its_agent_works() -> None:
    sightings = Sightings()
    fault = LogLine(
        "postfix/lmtp", 9, "3B2A1: to=<a@b.test>, ..., status=deferred (connect to mx1[private/lmtp]: gone)"
    )
    sightings.add(("postfix/lmtp", "x"), fault, 100.0)
    accepted(sightings)
    assert sightings.lasting(200.0) == [fault]
    sightings.worked(LogLine("postfix/lmtp", 9, "3B2A1: to=<a@b.test>, relay=x, dsn=2.0.0, status=sent (250 ok)"))
    assert sightings.lasting(200.0) == []


def test_a_fault_of_some_mail_lasts_if_it_is_frequent_although_other_mail_works() -> None:
    sightings = Sightings()
    for number in range(OFTEN):
        sightings.add(KEY, FAULT, 100.0 + number * SPAN / (OFTEN - 1))
        accepted(sightings, queue_id=f"3B2A{number}")
    assert sightings.lasting(100.0 + SPAN) == [FAULT]


def test_what_postfix_tries_again_lasts_only_if_it_is_seen_often() -> None:
    fault = LogLine("postfix/cleanup", 7, "warning: problem talking to service rewrite: Connection reset by peer")
    sightings = Sightings()
    sightings.add(KEY, fault, 100.0, is_retried=True)
    assert sightings.due(100.0) == math.inf
    assert sightings.lasting(1000.0) == sightings.pending == []
    for number in range(1, OFTEN):
        sightings.add(KEY, fault, 1000.0 + number, is_retried=True)
    assert sightings.lasting(1000.0 + OFTEN) == [fault]
