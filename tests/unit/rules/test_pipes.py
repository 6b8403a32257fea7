"""Commands of pipe(8) and spawn(8): their users, their words and what is missing."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding


@pytest.mark.parametrize(
    ("rule", "attributes"),
    [
        ("unknown-attribute", "usr=vmail user=vmail argv=/x"),
        ("unknown-attribute", "flags=R x=y user=vmail argv=/x"),
        ("bad-value", "flags=RZ user=vmail argv=/x"),
        ("bad-value", "user=vmail size=big argv=/x"),
        ("bad-value", "user=vmail size=10k argv=/x"),
        ("privileged-user", "user=root argv=/x"),
        ("privileged-user", "user=postfix argv=/x"),
        ("privileged-user", "user=vmail:postdrop argv=/x"),
    ],
)
def test_what_pipe_would_die_of_is_refused(rule: str, attributes: str) -> None:
    (finding,) = findings_of(rule, files={"master.d/x.cf": f"x unix - n n - - pipe {attributes}\n"})
    assert finding.is_error


def master(text: str) -> dict[str, str]:
    return {"master.d/extra.cf": text + "\n"}


@pytest.mark.parametrize("rest", ["argv=/usr/bin/x", "user=vmail"])
def test_a_pipe_without_user_or_command_is_refused(rest: str) -> None:
    assert "needs" in only_finding("incomplete-service", files=master(f"x unix - n n - - pipe flags=R {rest}"))
    assert not findings_of(
        "incomplete-service", files=master("x unix - n n - - pipe flags=R user=vmail argv=/usr/bin/x")
    )


ROUTED = {"default_transport": "x"}


def test_a_user_who_is_not_there_is_refused_for_now() -> None:
    line = master("x unix - n n - - pipe user=vmial:vmail argv=/x user=nobody")
    (finding,) = findings_of("unknown-user", ROUTED, files=line)
    assert "did you mean vmail?" in finding.text
    assert not finding.lasting
    assert not findings_of("unknown-user", ROUTED, files=master("x unix - n n - - pipe user=vmail argv=/x user=ghost"))


def test_the_user_of_a_service_that_nothing_uses_need_not_be_there() -> None:
    line = master("maildrop unix - n n - - pipe flags=DRhu\n  user=ghost argv=/usr/bin/maildrop -d ${recipient}")
    assert not findings_of("unknown-user", files=line)
    assert not findings_of("unknown-user", {"maildrop_destination_recipient_limit": "1"}, line)
    for used in ({"mailbox_transport": "maildrop"}, {"transport_maps": "ldap:/etc/people.cf"}):
        assert findings_of("unknown-user", used, line)
    assert findings_of("unknown-user", files=line | {"tables/transport": "x.example maildrop:\n"})
    asked = master("2527 inet n n n - - spawn user=ghost argv=/x")
    assert findings_of("unknown-user", files=asked)
    assert findings_of("privileged-user", files=master("x unix - n n - - pipe user=root argv=/x"))
