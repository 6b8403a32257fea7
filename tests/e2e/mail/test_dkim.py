"""Mail that begins on this host is signed by a real rspamd; dkimpy verifies what arrived, with the record published."""

from __future__ import annotations

import re
import smtplib
import threading
from typing import TYPE_CHECKING, Any

import dkim
import pytest

from reconciler.host.pem import new_key, public_half
from tests.e2e.adopted_host import MAIL, AdoptedHost
from tests.e2e.mail.test_submission import KEYED, has_key, knows_logins, spoken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.mail_sink import Received

FAR = "someone@far.test"
ALIAS = "virtual_alias_domains: alias.test\n"
STATE: dict[str, str | None] = {
    "mail.yaml": MAIL + KEYED + f"  {ALIAS}submission: {{wrapper: no}}\n",
    "tables/transport": "far.test  smtp:[127.0.0.1]:2525\n",
    "tables/virtual": f"all@alias.test  {FAR}\n",
}
RSPAMD = (
    "find /etc/rspamd -printf '%p %y %m %l\\n' | sort; find /etc/rspamd -type f -exec sha256sum {} + | sort;"
    " ls /etc/rc2.d | grep rspamd; pgrep -c rspamd || true"
)
PUBLISHED: dict[str, bytes] = {}
"""Records by their selectors."""
MESSAGE = "From: Ada <ada@Author.test>\r\nTo: {0}\r\nSubject: {1}\r\n\r\nHello.\r\n"


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost(state=STATE, adopt=False, daemon=False) as made:
        has_key(made)
        knows_logins(made.host)
        made.host.sink(2525)
        made.host.run("reconciler", "once", "--adopt")
        made.start_daemon()
        yield made


def keys(adopted: AdoptedHost) -> dict[str, Any]:
    """Where the keys stand, by selector."""
    return {one["selector"]: one for one in adopted.status()["dkim"]}


def publish(told: str) -> str:
    """Take the record that a command printed to what DNS would answer; its selector."""
    match = re.search(r"^  (\w+)\._domainkey\.DOMAIN\. IN TXT (\".*\")$", told, re.MULTILINE)
    assert match, told
    PUBLISHED[match[1]] = "".join(re.findall(r'"(.*?)"', match[2])).encode()
    return match[1]


def arrived(adopted: AdoptedHost, subject: str) -> Received:
    """The message with that subject, once it has come."""
    wanted = f"Subject: {subject}\n"

    def found() -> list[Received]:
        return [one for one in adopted.host.received(2525) if wanted in one.data.replace("\r\n", "\n")]

    return adopted.host.wait_for(found, what=subject)[0]


def signatures(message: Received) -> list[tuple[str, str]]:
    """Domain and selector of each signature of a message; all of them verify, and none covers a Received header."""
    raw = re.sub(r"\r?\n", "\r\n", message.data)
    told = re.findall(r"^dkim-signature:(?:[^\r]|\r\n[ \t])*", raw, re.MULTILINE | re.IGNORECASE)
    found = []
    for number, header in enumerate(told):
        verifier = dkim.DKIM(raw.encode())
        assert verifier.verify(number, dnsfunc=resolve), raw
        assert "received" not in header.lower()
        found.append((verifier.domain.decode(), verifier.selector.decode()))
    return found


def resolve(name: bytes, timeout: int = 5) -> bytes | None:  # noqa: ARG001 - as dkimpy asks
    """What DNS answers."""
    return PUBLISHED.get(name.decode().partition(".")[0])


def smtp(
    adopted: AdoptedHost, subject: str, sender: str = "bounce@envelope.test", to: str = FAR, address: str = "127.0.0.1"
) -> str:
    """Hand a message in by SMTP without a login; the last reply."""
    with adopted.host.smtp(25, address) as client:
        client.ehlo()
        for command in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>"):
            code, text = client.docmd(command)
            if code != 250:
                return f"{code} {text.decode()}"
        try:
            code, text = client.data(MESSAGE.format(to, subject))
        except smtplib.SMTPDataError as error:
            return str(error)
        return f"{code} {text.decode()}"


def sendmail(adopted: AdoptedHost, subject: str) -> None:
    """Hand a message in as PHP's mail() does: by an ordinary user, the envelope sender is not the author."""
    message = MESSAGE.format(FAR, subject).replace("\r\n", "\n")
    adopted.host.run("/usr/sbin/sendmail", "-t", "-i", "-fwww-data@mx1.example.com", user="www-data", input=message)


def test_on_changed_and_off_again(adopted: AdoptedHost) -> None:
    before = adopted.sh(RSPAMD)
    live = adopted.live()

    made = adopted.reconciler("dkim", "new", "s1")
    assert made.status == 0, made.text
    assert publish(made.text) == "s1"
    assert adopted.sh(RSPAMD) == before
    assert adopted.live() == live
    assert keys(adopted)["s1"]["stage"] == "ready"

    rolled = adopted.reconciler("dkim", "roll")
    assert rolled.status == 0, rolled.text
    assert keys(adopted)["s1"]["stage"] == "signing"

    assert smtp(adopted, "by-smtp").startswith("250")
    sendmail(adopted, "by-sendmail")
    with spoken(adopted.host, 587) as client:
        client.login("ada", "geheim-42")
        client.sendmail("other@envelope.test", [FAR], MESSAGE.format(FAR, "by-submission"))
    assert smtp(adopted, "by-alias", to="all@alias.test").startswith("250")
    for subject in ("by-smtp", "by-sendmail", "by-submission", "by-alias"):
        assert signatures(arrived(adopted, subject)) == [("author.test", "s1")], subject


def test_mail_from_elsewhere_keeps_its_own_signature_and_gets_none_of_ours(adopted: AdoptedHost) -> None:
    key = new_key()
    PUBLISHED["theirs"] = f"v=DKIM1; k=rsa; p={public_half(key)}".encode()
    for subject, signed in (("foreign-signed", True), ("foreign", False)):
        raw = MESSAGE.format("all@alias.test", subject).encode()
        own = (
            b""
            if not signed
            else dkim.sign(raw, b"theirs", b"author.test", key.encode(), include_headers=[b"from", b"subject"])
        )
        with adopted.host.smtp(25, "192.0.2.10") as client:
            client.sendmail("ada@author.test", ["all@alias.test"], own + raw)
        expected = [("author.test", "theirs")] if signed else []
        assert signatures(arrived(adopted, subject)) == expected


def test_a_roll_under_load_loses_no_message_and_no_signature(adopted: AdoptedHost) -> None:
    made = adopted.reconciler("dkim", "new", "s2")
    assert made.status == 0, made.text
    publish(made.text)
    early = adopted.reconciler("dkim", "roll")
    assert (early.status, "may not know the key before" in early.text) == (1, True), early.text
    assert keys(adopted)["s2"]["stage"] == "waiting"

    sent: list[str] = []
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            sent.append(smtp(adopted, f"load-{len(sent)}"))

    reloads = adopted.host.mail_log().count(": reload -- version")
    thread = threading.Thread(target=load)
    thread.start()
    rolled = adopted.reconciler("dkim", "roll", "--now")
    done.wait(1)
    done.set()
    thread.join()
    assert rolled.status == 0, rolled.text
    assert adopted.host.mail_log().count(": reload -- version") == reloads, "rspamd's files alone changed"
    assert not [reply for reply in sent if not reply.startswith("250")]
    found = [signatures(arrived(adopted, f"load-{number}")) for number in range(len(sent))]
    assert {tuple(one) for one in found} <= {(("author.test", "s1"),), (("author.test", "s2"),)}
    assert found[-1] == [("author.test", "s2")]
    assert {name: one["stage"] for name, one in keys(adopted).items()} == {"s2": "signing", "s1": "kept"}


def test_while_rspamd_is_down_mail_waits_and_nothing_leaves_unsigned(adopted: AdoptedHost) -> None:
    adopted.stop_daemon()
    adopted.sh("pkill -KILL rspamd; true")
    assert smtp(adopted, "while-down").startswith("451 4.7.1")
    sendmail(adopted, "queued-while-down")
    adopted.start_daemon()
    assert adopted.host.wait_for(lambda: smtp(adopted, "after").startswith("250"), what="rspamd to be there again")
    assert signatures(arrived(adopted, "after")) == [("author.test", "s2")]
    adopted.sh("postqueue -f")
    assert signatures(arrived(adopted, "queued-while-down")) == [("author.test", "s2")]
    assert not [one for one in adopted.host.received(2525) if "Subject: while-down" in one.data]


def test_off_leaves_no_trace_and_loses_nothing(adopted: AdoptedHost) -> None:
    pushed = adopted.push({"mail.yaml": STATE["mail.yaml"]}, "No signatures")
    assert pushed.accepted, pushed.text
    assert smtp(adopted, "unsigned").startswith("250")
    assert signatures(arrived(adopted, "unsigned")) == []
    assert "milters" not in adopted.sh("postconf -n")
    assert (
        adopted.sh("ls -d /var/lib/reconciler/live/rspamd /var/lib/reconciler/rescue/rspamd 2>/dev/null || true") == ""
    )
    assert "rspamd" not in adopted.sh("ls -l /etc/rspamd/override.d; pgrep -l rspamd || true")
