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


def test_a_user_who_is_not_there_is_refused_for_now() -> None:
    (finding,) = findings_of("unknown-user", files=master("x unix - n n - - pipe user=vmial:vmail argv=/x user=nobody"))
    assert "did you mean vmail?" in finding.text
    assert not finding.lasting
    assert not findings_of("unknown-user", files=master("x unix - n n - - pipe user=vmail argv=/x user=ghost"))
