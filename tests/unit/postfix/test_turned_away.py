"""The share of mail for known recipients that is turned away, and what never counts in it."""

from __future__ import annotations

import pytest

from reconciler.postfix.log import LogLine
from reconciler.postfix.turned_away import FEWEST, TurnedAway

UNKNOWN = "550 5.1.1 <{}>: Recipient address rejected: User unknown in virtual mailbox table"


def sent(recipient: str, agent: str = "virtual", tag: str = "postfix") -> LogLine:
    text = f"3B2A1: to=<{recipient}>, relay={agent}, delay=0.1, delays=0/0/0/0.1, dsn=2.0.0, status=sent (delivered)"
    return LogLine(f"{tag}/{agent}", 9, text)


def late(recipient: str, words: str, agent: str = "virtual", status: str = "deferred") -> LogLine:
    text = f"3B2A1: to=<{recipient}>, relay={agent}, delay=0.1, delays=0/0/0/0.1, dsn=4.2.0, status={status} ({words})"
    return LogLine(f"postfix/{agent}", 9, text)


def refused(recipient: str, words: str = UNKNOWN, client: str = "192.0.2.1", helo: str = "x") -> LogLine:
    reply, mail = words.format(recipient), f"from=<a@b.test> to=<{recipient}> proto=SMTP"
    return LogLine("postfix/smtpd", 7, f"NOQUEUE: reject: RCPT from x.test[{client}]: {reply}; {mail} helo=<{helo}>")


def accepted(client: str) -> LogLine:
    return LogLine("postfix/smtpd", 7, f"3B2A1: client=x.test[{client}]")


USERS = [f"user{number}@v.example" for number in range(FEWEST)]
BEFORE = [sent(user) for user in USERS]


def complaints(before: list[LogLine], since: list[LogLine], meant: tuple[str, ...] = ()) -> int:
    shares = TurnedAway(before)
    for line in since:
        shares.read(line)
    return len(shares.complaints(meant))


def test_recipients_that_had_mail_and_are_refused_now_are_a_complaint() -> None:
    shares = TurnedAway(BEFORE)
    for user in USERS:
        shares.read(refused(user))
    assert shares.suspects() == set(USERS)
    ((line, sentence),) = shares.complaints()
    assert "User unknown in virtual mailbox table" in line.text
    assert sentence.startswith("5 of 5 answers for recipients who had mail before say that it is refused or waits")
    assert "(before the commit: 0 of 5)" in sentence


@pytest.mark.parametrize(("client", "helo"), [("127.0.0.1", "[127.0.0.1]"), ("2001:db8::1", "[IPv6:2001:db8::1]")])
def test_the_questions_of_a_verification_are_no_mail(client: str, helo: str) -> None:
    assert complaints(BEFORE, [refused(user, client=client, helo=helo) for user in USERS]) == 0
    assert complaints(BEFORE, [refused(user, client=client, helo="[192.0.2.9]") for user in USERS]) == 1


@pytest.mark.parametrize(
    "line",
    [
        late("{}", "maildir delivery failed: create maildir file /v/tmp/1: Permission denied"),
        late("{}", 'unknown user: "x@v.example"', status="bounced"),
        late("{}", "Server certificate not verified", agent="smtp"),
        late("{}", "connect to 127.0.0.1[127.0.0.1]:24: Connection refused", agent="lmtp"),
        refused("{}", "554 5.7.1 <{}>: Relay access denied"),
    ],
)
def test_other_words_of_postfix_about_our_side_count_as_well(line: LogLine) -> None:
    assert complaints(BEFORE, [line._replace(text=line.text.replace("{}", user)) for user in USERS]) == 1


@pytest.mark.parametrize(
    "line",
    [
        late("{}", "maildir delivery failed: over quota"),
        late("{}", "host x[192.0.2.9] said: 451 4.7.1 try again later (in reply to RCPT TO command)", agent="smtp"),
        late("{}", "connect to mx.far.test[192.0.2.9]:25: Connection timed out", agent="smtp"),
        late("{}", "host x[private/lmtp] said: 550 5.7.1 spam (in reply to end of DATA command)", agent="lmtp"),
        late("{}", "mail forwarding loop for x", agent="local", status="bounced"),
        refused("{}", "554 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.example"),
        refused("{}", "450 4.7.1 <{}>: Recipient address rejected: Greylisted"),
        refused("{}", "450 4.1.8 <a@b.test>: Sender address rejected: Domain not found"),
        refused("{}", '550 5.1.8 <"x: User unknown"@b.test>: Sender address rejected: Domain not found'),
        refused("{}", "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]"),
        refused("{}", "554 5.7.1 <{}>: Recipient address rejected: Access denied"),
    ],
)
def test_what_senders_and_the_internet_cause_is_no_complaint(line: LogLine) -> None:
    since = [line._replace(text=line.text.replace("{}", user)) for user in USERS * 20]
    assert complaints(BEFORE, since) == 0


def test_a_burst_of_unknown_users_is_no_complaint() -> None:
    burst = [refused(f"guess{number}@v.example") for number in range(1000)]
    assert complaints(BEFORE, burst) == 0
    assert complaints([*BEFORE, *burst], burst) == 0


def test_a_stranger_who_tries_to_relay_to_an_address_far_away_is_no_complaint() -> None:
    before = [sent(f"bob{number}@far.test", agent="smtp") for number in range(FEWEST)]
    denied = [refused(f"bob{number}@far.test", "554 5.7.1 <{}>: Relay access denied") for number in range(FEWEST)]
    assert complaints(before, denied) == 0
    relayed = [sent(f"bob{number}@far.test", agent="smtp", tag="postfix/relay") for number in range(FEWEST)]
    assert complaints(relayed, denied) == 1  # by the transport of relay_domains


def test_few_messages_and_small_shares_are_no_complaint() -> None:
    assert complaints(BEFORE, [refused(user) for user in USERS[1:]]) == 0
    assert complaints(BEFORE, [*map(refused, USERS), *(sent(user) for user in USERS), sent(USERS[0])]) == 0


def test_what_was_as_bad_before_is_no_complaint() -> None:
    since = list(map(refused, USERS))
    assert complaints([*BEFORE, *since], since) == 1
    assert complaints([*BEFORE, *since, *since], since) == 0


def test_recipients_that_the_commit_removes_are_no_complaint() -> None:
    since = list(map(refused, USERS))
    assert complaints(BEFORE, since, meant=tuple(USERS)) == 0
    assert complaints(BEFORE, since, meant=tuple(USERS[:1])) == 0  # too few are left


def test_clients_that_were_served_and_are_all_refused_now_are_a_complaint_each_address_once() -> None:
    clients = [f"192.0.2.{number}" for number in range(FEWEST)]
    denied = "554 5.7.1 <x.test[192.0.2.1]>: Client host rejected: Access denied"
    before = [accepted(client) for client in clients]
    assert complaints(before, [refused("a@v.example", denied, client) for client in clients]) == 1
    assert complaints(before, [refused("a@v.example", denied, clients[0])] * 100) == 0
    assert complaints([], [refused("a@v.example", denied, client) for client in clients]) == 0
