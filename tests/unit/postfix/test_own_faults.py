"""What Postfix says about its own configuration and its helpers, as a real Postfix said it, and what counts of it."""

from __future__ import annotations

import pytest

from reconciler.postfix.log import LogLine, of_daemons
from reconciler.postfix.own_faults import Helpers, Weight, key, own_faults
from reconciler.postfix.turned_away import event
from tests.unit.recorded_host import transcript

# "== what was wrong: weight [turned-away RECIPIENT]", then all that Postfix 3.7.11 logged about one message.
CASES = [case.partition("\n") for case in transcript("own-faults.txt").removeprefix("== ").split("\n== ")]


def found(lines: list[str]) -> list[tuple[LogLine, Weight]]:
    return list(own_faults(of_daemons(lines, {"postfix"}), Helpers()))


@pytest.mark.parametrize(("what", "lines"), [(first, rest) for first, _, rest in CASES], ids=[one[0] for one in CASES])
def test_what_a_real_postfix_logged_of_a_fault_counts_as_much_as_it_should(what: str, lines: str) -> None:
    expected, _, turned_away = what.rpartition(": ")[2].partition(" turned-away ")
    weights = {weight for _, weight in found(lines.splitlines())}
    order = ((Weight.CERTAIN, "certain"), (Weight.LASTING, "lasting"), (Weight.RETRIED, "often"))
    shown = next((name for weight, name in order if weight in weights), "nothing")
    events = [one for line in of_daemons(lines.splitlines(), {"postfix"}) if (one := event(line)) and not one.taken]
    names = [one for each in events for one in (*each.recipients, *each.own, each.client) if one]
    assert (shown, names[0] if names else "") == (expected, turned_away)


@pytest.mark.parametrize(
    "text",
    [
        "warning: problem talking to service rewrite: Connection reset by peer",
        "warning: problem talking to service private/verify: Success",
        "warning: connect #1 to subsystem private/rewrite: Connection refused",
    ],
)
def test_what_postfix_tries_again_by_itself_counts_only_if_it_comes_often(text: str) -> None:
    assert [weight for _, weight in found([f"postfix/cleanup[7]: {text}"])] == [Weight.RETRIED]


MILTER = "postfix/smtpd[7]: warning: connect to Milter service inet:127.0.0.1:8891: Connection refused"
REFUSED = "NOQUEUE: milter-reject: MAIL from x[192.0.2.1]: 451 4.7.1 Service unavailable - try again later; proto=SMTP"


@pytest.mark.parametrize(
    ("after", "counts"),
    [
        ([f"postfix/smtpd[7]: {REFUSED}"], True),
        ([], False),  # milter_default_action = accept
        ([f"postfix/smtpd[8]: {REFUSED}"], False),  # a milter's own verdict, in another process
        (["postfix/smtpd[7]: connect from y[192.0.2.2]", f"postfix/smtpd[7]: {REFUSED}"], False),  # another client
        (["postfix/smtpd[7]: NOQUEUE: milter-reject: RCPT from x[192.0.2.1]: 451 4.7.1 Greylisted; proto=SMTP"], False),
    ],
)
def test_a_milter_counts_if_its_client_is_refused_for_it(after: list[str], counts: bool) -> None:
    lines = [line.text for line, _ in found([MILTER, *after])]
    assert lines == ([MILTER.partition("]: ")[2]] if counts else [])


@pytest.mark.parametrize(
    "text",
    [
        "3B2A1C0F2: warning: body lookup failure from x[192.0.2.1]; from=<a@b.test>",  # a WARN of body_checks
        "3B2A1C0F2: warning: header Subject: a hash:/x is unavailable. from x[192.0.2.1]; from=<a@b.test>",
        "3B2A1C0F2: reject: body from x: 451 4.3.5 Server configuration error from y[192.0.2.1]; from=<a@b.test>",
        "3B: to=<a, dsn=4.3.0, status=deferred (x>, dsn=4.3.0, status=deferred (mail transport unavailable)",
        "warning: TLS library problem: error:0A00010B:SSL routines::wrong version number",
        "warning: x[192.0.2.1]: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=ada",
        "warning: 192.0.2.1: RBL lookup error: Host or domain name not found",
        "warning: dnsblog reply timeout 10s for zen.example.net",
        "NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 5.7.1 Service unavailable; client [192.0.2.1] blocked using x; z",
        "NOQUEUE: reject: RCPT from x[192.0.2.1]: 450 4.7.1 <c@d.test>: Recipient address rejected: Greylisted; f",
        "NOQUEUE: milter-reject: END-OF-MESSAGE from x[192.0.2.1]: 5.7.1 Spam message rejected; from=<>",
    ],
)
@pytest.mark.parametrize("program", ["smtpd", "cleanup", "smtp"])
def test_everyday_life_and_the_words_of_senders_count_nothing(program: str, text: str) -> None:
    line = f"postfix/{program}[7]: {text}"
    assert found([line]) == []
    assert [one for each in of_daemons([line], {"postfix"}) if (one := event(each))] == []


def test_another_milter_and_another_table_are_other_faults() -> None:
    (one,), (other,) = ([line for line, _ in found([text, f"postfix/smtpd[7]: {REFUSED}"])] for text in (
        MILTER, MILTER.replace("8891", "8892"),
    ))  # fmt: skip
    assert key(one) != key(other)
    texts = 'warning: tcp:127.0.0.1:9 lookup error for "a1@b.test"', 'warning: tcp:127.0.0.1:9 lookup error for "c@d"'
    assert len({key(LogLine("postfix/smtpd", 7, text)) for text in texts}) == 1
