"""What a reply to a client says about the mail system, and what it does not say."""

from __future__ import annotations

import pytest

from reconciler.postfix.replies import NO_ANSWER, Meaning, is_about_client, meaning


@pytest.mark.parametrize(
    ("reply", "meant"),
    [
        ("250 2.1.5 Ok", Meaning.TAKEN),
        ("354 End data with <CR><LF>.<CR><LF>", Meaning.TAKEN),
        ("451 4.3.5 <a@b>: Recipient address rejected: Server configuration problem", Meaning.TROUBLE),
        ("451 4.3.0 <a@b>: Temporary lookup failure", Meaning.TROUBLE),
        ("452 4.3.1 Insufficient system storage", Meaning.TROUBLE),
        ("451 4.7.1 Service unavailable - try again later", Meaning.TROUBLE),
        ("454 4.7.0 TLS not available due to local problem", Meaning.TROUBLE),
        ("450 4.3.2 <x[1.2.3.4]>: Client host rejected: Try again later", Meaning.TROUBLE),
        (NO_ANSWER, Meaning.TROUBLE),
        ("454 4.7.1 <a@b>: Relay access denied", Meaning.REFUSED),
        ("554 5.7.1 <a@b>: Relay access denied", Meaning.REFUSED),
        ("550 5.1.1 <a@b>: Recipient address rejected: User unknown", Meaning.REFUSED),
        ("450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", Meaning.WAITS),
        ("450 4.1.2 <a@b>: Recipient address rejected: Domain not found", Meaning.WAITS),
        ("450 4.2.0 <a@b>: Recipient address rejected: Greylisted, see http://x", Meaning.NOTHING),
        ("451 4.7.1 <a@b>: Recipient address rejected: Greylisting in action, please come back later", Meaning.NOTHING),
        ("450 4.1.1 <a@b>: Recipient address rejected: unverified address: Address verification in progress",
         Meaning.NOTHING),
        ("421 4.7.0 mx Error: too many connections from 192.0.2.1", Meaning.NOTHING),
        ("450 4.7.1 Error: too much mail from 192.0.2.1", Meaning.NOTHING),
        ("452 4.5.3 Error: too many recipients", Meaning.NOTHING),
        ("", Meaning.NOTHING),
        ("xyz", Meaning.NOTHING),
    ],
)  # fmt: skip
def test_a_reply_means(reply: str, meant: Meaning) -> None:
    assert meaning(reply) is meant


def test_a_refusal_of_the_client_is_told_from_one_of_the_recipient() -> None:
    assert is_about_client("554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied")
    assert is_about_client("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using list.test")
    assert is_about_client("450 4.7.1 <x>: Helo command rejected: Host not found")
    assert is_about_client("554 mx1 ESMTP not accepting messages")
    assert not is_about_client("554 5.7.1 <a@b>: Recipient address rejected: Access denied")
    assert not is_about_client("554 5.7.1 <a@b>: Relay access denied")
