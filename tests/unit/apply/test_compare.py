"""What was taken before and is not taken now is a fault of the new configuration; what failed likewise is none."""

from __future__ import annotations

from reconciler.apply.compare import CONFIRMED, REFUSED, WAITS, MailAnswers, MailQuestion, Said, compare, summary
from reconciler.apply.questions import ELSEWHERE, ClientClass

HERE, STRANGER = ClientClass.HERE, ClientClass.STRANGER
TAKEN = "250 2.1.5 Ok"
DOWN = "451 4.3.5 <root@mx1.test>: Recipient address rejected: Server configuration problem"
ACCESS = "554 5.7.1 <root@mx1.test>: Recipient address rejected: Access denied"
CLIENT = "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied"
LATER = "450 4.1.7 <root@mx1.test>: Recipient address rejected: undeliverable address"


def answers(
    here: str = "", stranger: str = "", kind: str = "local", port: int = 25, logins: bool = False
) -> MailAnswers:
    """What the two clients heard at a port."""
    listener, heard = f"127.0.0.1:{port}", {HERE: here, STRANGER: stranger}
    replies = {
        MailQuestion(listener, who, "", kind): Said("root@mx1.test", said) for who, said in heard.items() if said
    }
    return MailAnswers(replies, with_logins={listener} if logins else frozenset())


def found(before: MailAnswers, after: MailAnswers) -> list[tuple[str, bool]]:
    """The rules, and whether each refuses the commit."""
    return [(one.rule, not one.excuse) for one in compare(before, after)]


def test_mail_that_is_taken_as_before_is_well() -> None:
    assert found(answers(TAKEN, TAKEN), answers(TAKEN, TAKEN)) == []
    assert found(MailAnswers(), answers(TAKEN)) == []
    assert found(answers(ACCESS), answers(TAKEN)) == []
    assert found(answers(ACCESS, CLIENT), answers(ACCESS, CLIENT)) == []


def test_trouble_of_the_mail_system_is_a_fault_for_any_client_and_once() -> None:
    assert found(answers(TAKEN, TAKEN), answers(TAKEN, DOWN)) == [(WAITS, True)]
    assert found(answers(TAKEN, TAKEN), answers(DOWN, DOWN)) == [(WAITS, True)]
    assert found(answers(ACCESS), answers(DOWN)) == [(WAITS, True)]
    assert found(MailAnswers(), answers(DOWN, port=2525)) == [(WAITS, True)], "a new listener"
    assert found(answers(TAKEN), answers("no answer")) == [(WAITS, True)]


def test_trouble_that_was_there_before_is_a_warning_and_leaves_no_other_excuse() -> None:
    assert found(answers(DOWN), answers(DOWN)) == [(WAITS, False)]
    assert found(answers(DOWN), answers("452 4.3.1 Insufficient system storage")) == [(WAITS, False)]
    assert found(answers(DOWN), answers(DOWN, port=2525)) == [(WAITS, False)], "the same at a new listener"
    assert found(answers(DOWN, TAKEN), answers(DOWN, "451 4.3.0 <x>: Temporary lookup failure")) == [
        (WAITS, True), (WAITS, False)
    ]  # fmt: skip
    assert found(answers(DOWN), answers(TAKEN)) == []


def test_a_recipient_that_no_table_lists_may_be_unknown_where_its_domain_is_new() -> None:
    unknown = "550 5.1.1 <root@mx1.test>: Recipient address rejected: User unknown in relay recipient table"
    for reply, excused in ((unknown, True), (ACCESS, False)):
        (worse,) = compare(answers(TAKEN), answers(reply), unlisted={"root@mx1.test"})
        assert bool(worse.excuse) is excused
    assert found(answers(TAKEN), answers(unknown)) == [(REFUSED, True)]


def test_a_recipient_who_is_refused_now_is_a_fault_and_a_client_only_if_no_client_is_taken() -> None:
    assert found(answers(TAKEN, TAKEN), answers(TAKEN, ACCESS)) == [(REFUSED, True)]
    assert found(answers(TAKEN, TAKEN), answers(TAKEN, CLIENT)) == [(REFUSED, False)]
    assert found(answers(TAKEN, TAKEN), answers(CLIENT, CLIENT)) == [(REFUSED, True)]
    assert found(answers(TAKEN, TAKEN), answers(TAKEN, LATER)) == [(REFUSED, False)]
    assert found(answers(TAKEN, TAKEN), answers(LATER, LATER)) == [(REFUSED, True)]


def test_a_refusal_can_be_confirmed_and_trouble_can_not() -> None:
    before = answers(TAKEN, TAKEN)
    assert [one.excuse for one in compare(before, answers(TAKEN, ACCESS), confirmed=True)] == [CONFIRMED]
    assert [one.excuse for one in compare(before, answers(TAKEN, DOWN), confirmed=True)] == [""]


def test_one_address_of_a_listener_may_have_no_client_that_is_taken() -> None:
    question = MailQuestion("[::1]:25", HERE, "", "local")
    before, after = answers(TAKEN, TAKEN), answers(TAKEN, CLIENT)
    before = MailAnswers({**before.replies, question: Said("root@mx1.test", TAKEN)})
    after = MailAnswers({**after.replies, question: Said("root@mx1.test", CLIENT)})
    assert found(before, after) == [(REFUSED, False)]


def test_a_listener_for_logins_and_mail_to_other_hosts_may_be_closed_on_purpose() -> None:
    assert found(answers(TAKEN, port=587), answers(ACCESS, port=587, logins=True)) == [(REFUSED, False)]
    assert found(answers(TAKEN), answers(ACCESS, logins=True)) == [(REFUSED, True)]
    assert found(answers(TAKEN, kind=ELSEWHERE), answers(ACCESS, kind=ELSEWHERE)) == [(REFUSED, False)]
    assert found(answers(TAKEN, kind=ELSEWHERE), answers(DOWN, kind=ELSEWHERE)) == [(WAITS, True)]


def test_greylisting_and_limits_of_the_rate_say_nothing() -> None:
    for reply in ("450 4.2.0 <x>: Recipient address rejected: Greylisted", "421 4.7.0 Error: too many connections"):
        assert found(answers(TAKEN, TAKEN), answers(reply, reply)) == []


def test_answers_know_what_was_taken() -> None:
    heard = answers(TAKEN, DOWN)
    assert heard.kinds == {"local"}
    assert heard.knows("127.0.0.1:25", HERE)
    assert not heard.knows("127.0.0.1:25", STRANGER)


def test_the_summary_says_what_was_verified() -> None:
    assert summary(3, 4, submits=True) == "3 listeners, 4 kinds of recipient, sendmail"
    assert summary(1, 1, submits=False) == "1 listener, 1 kind of recipient"
    assert summary(1, 0, submits=False) == "1 listener"
    assert summary(0, 0, submits=True) == "sendmail"
    assert summary(0, 0, submits=False) == ""


def test_a_guessed_recipient_may_be_unknown_to_the_next_host_that_is_asked() -> None:
    for reply, excused in (
        ("550 5.1.1 <root@mx1.test>: Recipient address rejected: undeliverable address: Address lookup failed", True),
        ("450 4.1.1 <root@mx1.test>: Recipient address rejected: unverified address: not found", True),
        ("450 4.4.1 <root@mx1.test>: Recipient address rejected: unverified address: Connection refused", False),
        (ACCESS, False),
    ):
        (worse,) = compare(answers(TAKEN), answers(reply), guessed={"root@mx1.test"})
        assert bool(worse.excuse) is excused, reply
        (listed,) = compare(answers(TAKEN), answers(reply))
        assert not listed.excuse
