"""Rules that hang on the host, allowances, and alias loops, with the real Postfix as the judge of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, AdoptedHost
from tests.e2e.asked_servers import serve
from tests.unit.certificates import HOST_CERTIFICATE, certificate, key

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKS = MAIL + "  smtpd_data_restrictions: check_policy_service inet:127.0.0.1:3999\n"
TLS = MAIL + "  smtpd_tls_security_level: may\n  smtpd_tls_chain_files: /etc/ssl/mx.pem\n"
VIRTUAL = MAIL + "  virtual_alias_domains: v.example, c.example, d.example\n"


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost() as made:
        yield made


def test_a_policy_server_that_is_down_refuses_the_push_until_it_is_up(adopted: AdoptedHost) -> None:
    before = adopted.live()
    refused = adopted.push({"mail.yaml": ASKS}, "Ask a policy server")
    assert not refused.accepted
    assert 'mail.yaml:5:28: smtpd_data_restrictions: no server answers at "inet:127.0.0.1:3999"' in refused.text
    assert adopted.live() == before

    server = serve(adopted, "policy", "3999")
    again = adopted.push({"mail.yaml": ASKS}, "Ask it now")
    assert again.accepted, again.text
    adopted.wait_for("Applied", again.oid)
    assert adopted.host.send("a@mx1.example.com", "root@mx1.example.com").startswith("250")

    server.terminate()
    server.wait(120)
    fine = adopted.push({"mail.yaml": ASKS, "tables/transport": "new.test relaylim:\n"}, "Never worse than now")
    assert fine.accepted, fine.text
    assert "what is live has the same error" in fine.text
    assert adopted.host.send("a@mx1.example.com", "root@mx1.example.com").startswith("4")  # as the finding says
    assert adopted.push({"mail.yaml": MAIL}, "Back").accepted


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (key() + certificate("mx1.example.com", days=-2), "expired 2 days ago"),
        (key() + certificate("mx1.example.com") + key(), "not followed by its certificate"),
        (certificate("mx1.example.com") + key(), "the key comes first"),
        (b"hello\n", "holds neither a certificate nor a key"),
    ],
)
def test_a_certificate_that_would_not_do_is_refused(adopted: AdoptedHost, content: bytes, says: str) -> None:
    adopted.host.write("/etc/ssl/mx.pem", content.decode())
    refused = adopted.push({"mail.yaml": TLS}, "Offer TLS")
    assert not refused.accepted
    assert says in " ".join(refused.text.replace("remote:", "").split())


def test_a_certificate_that_does_goes_live_and_its_name_is_told_of(adopted: AdoptedHost) -> None:
    adopted.host.write("/etc/ssl/mx.pem", (key() + HOST_CERTIFICATE).decode())
    pushed = adopted.push({"mail.yaml": TLS}, "Offer TLS")
    assert pushed.accepted, pushed.text
    assert "not for myhostname" in " ".join(pushed.text.replace("remote:", "").split())
    with adopted.host.smtp() as client:
        assert client.starttls()[0] == 220
    assert adopted.push({"mail.yaml": MAIL}, "Back").accepted


def test_loops_are_refused_and_a_copy_for_oneself_arrives(adopted: AdoptedHost) -> None:
    for loop in (
        "@c.example @d.example\n@d.example @c.example\n",
        "a@v.example b@v.example\nb@v.example a@v.example\n",
    ):
        refused = adopted.push({"mail.yaml": VIRTUAL, "tables/virtual": loop}, "A loop")
        assert not refused.accepted
        assert "alias loop" in refused.text
    aliases = "b@v.example info@v.example\ninfo@v.example info@v.example, root@mx1.example.com\n"
    pushed = adopted.push({"mail.yaml": VIRTUAL, "tables/virtual": aliases}, "A copy for oneself")
    assert pushed.accepted, pushed.text
    assert adopted.host.send("a@mx1.example.com", "b@v.example", "Subject: a copy\n\nHello.").startswith("250")
    assert adopted.host.wait_for(
        lambda: "Subject: a copy" in adopted.sh("cat /var/mail/root 2>/dev/null || true"), what="the message"
    )


def test_what_is_allowed_goes_live_with_its_reason(adopted: AdoptedHost) -> None:
    entry = "mydomain.com relaylim:\n"
    assert not adopted.push({"tables/sender_transport": entry}, "A key that never matches").accepted
    allowed = f"# allow key-never-matches: a reminder\n{entry}"
    pushed = adopted.push({"tables/sender_transport": allowed}, "Allowed")
    assert pushed.accepted, pushed.text
    assert "(allowed: a reminder)" in " ".join(pushed.text.replace("remote:", "").split())
    without = adopted.push({"tables/sender_transport": f"# allow key-never-matches\n{entry}"}, "No reason")
    assert not without.accepted
    assert "no effect without a reason" in " ".join(without.text.replace("remote:", "").split())


@pytest.mark.parametrize(
    ("kind", "pattern", "result", "asked"),
    [
        ("regexp", "/^X-A/", "WARN", "header_checks: table:asked"),
        ("pcre", "/^X-A/", "WARN", "header_checks: table:asked"),
        ("cidr", "192.0.2.0/24", "REJECT", "smtpd_client_restrictions: check_client_access table:asked"),
    ],
)
def test_a_block_that_does_not_end_and_an_end_of_none_are_refused_at_their_line(
    adopted: AdoptedHost, kind: str, pattern: str, result: str, asked: str
) -> None:
    row, mail = f"{pattern} {result}\n", f"{MAIL}  {asked}\n"
    for rows, line in ((f"{row}if {pattern}\n{row}", 2), (f"{row}endif\n{row}", 2)):
        refused = adopted.push({"mail.yaml": mail, f"tables/asked.{kind}": rows}, "Half a block")
        assert not refused.accepted, refused.text
        assert f"tables/asked.{kind}:{line}:1: " in refused.text
    whole = adopted.push({"mail.yaml": mail, f"tables/asked.{kind}": f"if {pattern}\n{row}endif\n"}, "A block")
    assert whole.accepted, whole.text
    adopted.push({"mail.yaml": MAIL, f"tables/asked.{kind}": None}, "None")


@pytest.mark.parametrize(
    ("setting", "column", "says"),
    [
        ("myorigin: /etc/nosuchfile", 13, "cannot open file"),
        ("maillog_file: /tmp/x.log", 17, "does not match any prefix"),
        ("default_database_type: hashh", 26, "did you mean hash?"),
    ],
)
def test_what_postfixs_programs_say_without_a_line_is_told_at_the_setting(
    adopted: AdoptedHost, setting: str, column: int, says: str
) -> None:
    refused = adopted.push({"mail.yaml": f"{MAIL}  {setting}\n"}, "A slip")
    assert not refused.accepted
    (line,) = (one for one in refused.text.splitlines() if says in one)
    assert f"mail.yaml:{MAIL.count(chr(10)) + 1}:{column}: " in line


def test_a_program_does_not_repeat_what_is_allowed(adopted: AdoptedHost) -> None:
    line = "  smtpd_option_of_the_future: x"
    refused = adopted.push({"mail.yaml": f"{MAIL}{line}\n", "tables/sender_transport": None}, "Too new")
    assert not refused.accepted
    allowed = f"{line}  # allow unknown-parameter: another host has it\n"
    pushed = adopted.push({"mail.yaml": MAIL + allowed}, "Allowed")
    assert pushed.accepted, pushed.text
    assert "(allowed: another host has it)" in " ".join(pushed.text.replace("remote:", "").split())
    assert pushed.text.count("mail.yaml:5:") == 1, pushed.text  # postconf would say it again
    assert adopted.push({"mail.yaml": MAIL}, "Back").accepted


def test_all_mistakes_of_a_push_are_told_at_once_and_what_they_say_to_write_goes_live() -> None:
    with AdoptedHost() as adopted:  # the module's host has domains, whose end would roll a commit back
        lines = len(MAIL.splitlines())
        files = {
            "mail.yaml": f"{MAIL}  message_size_limit = 50MB\n  myorigin:\u00a0$myhostname\n"
            "  smtpd_helo_requierd: yes\n",
            "tables/aliases": "<<<<<<< HEAD\nsales: root\n=======\nsales: www-data\n>>>>>>> theirs\n",
            "secrets/recipients": "age1cut\n",
        }
        refused = adopted.push(files, "Type as in main.cf")

        assert not refused.accepted
        for told in (
            f'mail.yaml:{lines + 1}:3: "=" does not set a value in YAML; write message_size_limit: 50MB',
            f"mail.yaml:{lines + 2}:12: here is a non-breaking blank (U+00A0)",
            f'mail.yaml:{lines + 3}:24: unknown parameter "smtpd_helo_requierd"',
            "secrets/recipients:1:1: expected an age or SSH public key",
            "tables/aliases:1:1: a merge left its marks in lines 1, 3, 5",
        ):
            assert told in " ".join(refused.text.replace("remote: ", "").split()), refused.text
        assert refused.text.count("mail.yaml:") == 3

        right = f"{MAIL}  message_size_limit: 52428800\n  mailbox_size_limit: 0\n  smtpd_helo_required: yes\n"
        pushed = adopted.push(
            {"mail.yaml": right, "tables/aliases": "sales: nosuchuser\nroot: /dev/null\n", "secrets/recipients": None},
            "Type as told",
        )
        assert pushed.accepted, pushed.text
        assert "is neither a user of this host nor an alias" in " ".join(pushed.text.replace("remote: ", "").split())
        adopted.wait_for("Applied", pushed.oid)
        assert adopted.sh("postconf -h message_size_limit").strip() == "52428800"
        assert adopted.host.send("a@mx1.example.com", "sales@mx1.example.com").startswith(
            "250"
        )  # and then, as it says:
        adopted.host.wait_for(lambda: 'unknown user: "nosuchuser"' in adopted.host.mail_log(), what="the bounce")
