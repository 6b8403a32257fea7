"""Files of the commit in Postfix's folder, and tables on servers: what Postfix does with them, how they come and go."""

from __future__ import annotations

import base64
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import CLONE, MAIL, UNREHEARSED, AdoptedHost
from tests.e2e.mail.test_transports import bounce

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACE = "$config_directory/templates/bounce.cf"
TEMPLATE = """\
failure_template = <<END
Charset: us-ascii
From: MAILER-DAEMON (Mail of the company)
Subject: Not delivered
Postmaster-Subject: Postmaster copy

{words}
END
"""
BOUNCING = {
    "mail.yaml": f"{MAIL}  bounce_template_file: {PLACE}\n",
    "tables/transport": "bad.test error:5.1.2 Bad domain\n",
}
LOGIN = "pwcheck_method: auxprop\nsql_passwd: correct-horse\n"


@pytest.fixture
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost() as made:
        yield made


def bounced(adopted: AdoptedHost) -> str:
    """What root is told of a message to a domain whose mail is not delivered."""
    subject = f"no. {time.monotonic_ns()}"
    adopted.sh(f"printf 'Subject: {subject}\\n\\nHello.\\n' | sendmail -f root@mx1.example.com someone@bad.test")
    return bounce(adopted, subject)


def test_a_bounce_template_is_used_put_back_rolled_back_and_goes(adopted: AdoptedHost) -> None:
    before = {*adopted.sh("cd /etc/postfix && find . | sort").split()}
    path = "files/templates/bounce.cf"
    first = adopted.push({**BOUNCING, path: TEMPLATE.format(words="The first words of the company.")})
    assert first.accepted, first.text
    assert "templates/bounce.cf" in first.text
    assert adopted.sh("stat -c '%a %U:%G' /etc/postfix/templates/bounce.cf") == "644 root:root"
    assert "The first words of the company." in bounced(adopted)

    second = adopted.push({path: TEMPLATE.format(words="Other words.")})
    assert second.accepted, second.text
    assert "Other words." in second.text
    assert f"{path}:7" in second.text
    assert "Other words." in bounced(adopted)

    broken = adopted.push({path: TEMPLATE.format(words="Dear ${sender")})
    assert not broken.accepted
    assert f"{path}:7" in broken.text
    assert "bad $name syntax" in broken.text

    adopted.push({path: TEMPLATE.format(words="Other words.")})
    adopted.sh("sed -i s/Other/Edited/ /etc/postfix/templates/bounce.cf")
    adopted.host.wait_for(
        lambda: "Other words." in adopted.host.read("/etc/postfix/templates/bounce.cf"), what="the file put back"
    )

    ran = adopted.reconciler("rollback")
    assert ran.status == 0, ran.text
    assert "The first words of the company." in bounced(adopted)

    removed = adopted.push({**BOUNCING, "mail.yaml": MAIL, path: None})
    assert removed.accepted, removed.text
    assert "company" not in bounced(adopted)
    assert {*adopted.sh("cd /etc/postfix && find . | sort").split()} == before


def test_a_sealed_file_is_for_postfix_alone_and_in_no_word(adopted: AdoptedHost) -> None:
    adopted.sh(
        f"mkdir -p {CLONE}/secrets {CLONE}/files/sasl &&"
        f" age-keygen -y /etc/reconciler/identity.age >{CLONE}/secrets/recipients"
    )
    ran = adopted.reconciler("secret", "set", "files/sasl/smtpd.conf", cwd=CLONE, typed=LOGIN)
    assert ran.status == 0, ran.text
    names = ("secrets/recipients", "files/sasl/smtpd.conf.age")
    pushed = adopted.push({name: adopted.host.read(f"{CLONE}/{name}") for name in names}, "A login for SASL")
    assert pushed.accepted, pushed.text

    assert adopted.host.read("/etc/postfix/sasl/smtpd.conf") == LOGIN
    assert adopted.sh("stat -c '%a %U:%G' /etc/postfix/sasl/smtpd.conf") == "640 root:postfix"
    shown = [pushed.text, adopted.daemon_log(), adopted.notes(pushed.oid), adopted.host.mail_log()]
    shown += [adopted.reconciler(*words).text for words in (["status", "--json"], ["log", "--json"], ["plan"])]
    assert "sasl/smtpd.conf" in "".join(shown)
    assert "correct-horse" not in "".join(shown)

    plain = adopted.push({"files/sasl/smtpd.conf.age": None, "files/sasl/smtpd.conf": LOGIN})
    assert not plain.accepted
    assert "files/sasl/smtpd.conf:2" in plain.text
    assert "reconciler secret set files/sasl/smtpd.conf" in plain.text
    assert "correct-horse" not in plain.text


def test_a_program_for_some_goes_back_as_it_was_with_its_mode_and_owner(adopted: AdoptedHost) -> None:
    def push(words: str, mode: str, owner: str) -> None:
        rights = f"files:\n  bin/policy: {{mode: {mode}, owner: {owner}}}\n"
        pushed = adopted.push({"mail.yaml": MAIL + rights, "files/bin/policy": f"#!/bin/sh\necho {words}\n"})
        assert pushed.accepted, pushed.text

    def there() -> list[str]:
        return adopted.sh("cd /etc/postfix/bin && stat -c '%a %U:%G' policy && tail -1 policy").splitlines()

    push("first", "0750", "root:mail")
    push("second", "0700", "root:postfix")
    assert there() == ["700 root:postfix", "echo second"]

    ran = adopted.reconciler("rollback")

    assert ran.status == 0, ran.text
    assert there() == ["750 root:mail", "echo first"]


def test_nothing_is_written_through_a_link(adopted: AdoptedHost) -> None:
    adopted.sh("mkdir /srv/theirs && ln -s /srv/theirs /etc/postfix/templates")

    refused = adopted.push({**BOUNCING, "files/templates/bounce.cf": TEMPLATE.format(words="x")})

    assert not refused.accepted
    assert "files/templates/bounce.cf:1" in refused.text
    assert "is a link to /srv/theirs" in refused.text
    assert adopted.sh("ls /srv/theirs") == ""


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("files/domains", "$config_directory/domains", "missing-file"),
        ("tables/domains", "lmdb:/etc/postfix/domains", "unknown-table"),
        ("tables/domains.texthash", "texthash:$config_directory/domains", "unknown-table"),
    ],
)
def test_a_file_that_is_still_named_does_not_leave(path: str, value: str, rule: str) -> None:
    with AdoptedHost(settings=UNREHEARSED) as adopted:
        assert adopted.push({path: "a.test x\n", "mail.yaml": f"{MAIL}  relay_domains: {value}\n"}).accepted

        refused = adopted.push({path: None})

        assert not refused.accepted
        assert f"[{rule}]" in refused.text
        assert "mail.yaml:5:18" in refused.text


def test_a_folder_in_the_place_of_a_file_loses_nothing(adopted: AdoptedHost) -> None:
    adopted.sh("mkdir -p /etc/postfix/list/old && echo kept >/etc/postfix/list/old/notes")
    for path in ("files/list", "tables/list"):
        refused = adopted.push({path: "a.test b.test\n"})
        assert not refused.accepted
        assert f"{path}:1:1" in refused.text
        assert "/etc/postfix/list is a folder" in refused.text
    assert adopted.host.read("/etc/postfix/list/old/notes") == "kept\n"

    first = adopted.push({"files/hosts/list": "a.test\n"})
    assert first.accepted, first.text
    adopted.sh(
        "cd /etc/postfix/hosts && rm list && mkdir list && echo mine >list/notes"
        " && mv /etc/postfix/transport /tmp && mkdir /etc/postfix/transport"
    )
    adopted.host.wait_for(lambda: adopted.sh("cat /etc/postfix/hosts/list", check=False) == "a.test", what="the file")
    adopted.host.wait_for(lambda: adopted.sh("cat /etc/postfix/transport", check=False) != "", what="the table")
    assert adopted.sh("cat /var/lib/reconciler/generations/*/postfix/hosts/list/notes") == "mine"

    adopted.sh("echo theirs >/etc/postfix/hosts/notes")
    adopted.sh(f"cd {CLONE} && git rm -qr files && mkdir files && echo a.test >files/hosts && git add -A")
    adopted.sh(f"cd {CLONE} && git commit -qm File")
    refused = adopted.push()
    assert not refused.accepted
    assert "notes in it is not reconciler's" in refused.text
    adopted.sh("rm /etc/postfix/hosts/notes")
    assert adopted.push().accepted
    assert adopted.host.read("/etc/postfix/hosts") == "a.test\n"
    ran = adopted.reconciler("rollback")
    assert ran.status == 0, ran.text
    assert adopted.host.read("/etc/postfix/hosts/list") == "a.test\n"


# ---- tables on servers -----------------------------------------------------------------------------------------------

SQLITE = "dbpath = !secret database\nquery = SELECT goto FROM alias WHERE address = '%s'\n"
DATABASE = "/srv/mail.sqlite"
VIRTUAL = f"{MAIL}  virtual_alias_domains: v.test\n  virtual_alias_maps: proxy:table:people\n"


def fill(adopted: AdoptedHost, database: Path) -> None:
    """Put a database with one alias on the host."""
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("CREATE TABLE alias (address TEXT, goto TEXT)")
        connection.execute("INSERT INTO alias VALUES ('ada@v.test', 'root@mx1.example.com')")
    connection.close()
    adopted.host.run("sh", "-c", f"base64 -d >{DATABASE}", input=base64.b64encode(database.read_bytes()).decode())


def test_a_table_on_a_server_answers_an_rcpt_by_a_secret(adopted: AdoptedHost, tmp_path: Path) -> None:
    files = {**adopted.seal({"database": DATABASE}), "mail.yaml": VIRTUAL, "tables/people.sqlite": SQLITE}
    refused = adopted.push(files, "Before the database is there")
    assert not refused.accepted
    assert "tables/people.sqlite:1" in refused.text
    assert "its file is missing" in refused.text

    fill(adopted, tmp_path / "mail.sqlite")
    pushed = adopted.push(files, "Aliases from a database")
    assert pushed.accepted, pushed.text
    assert "live and verified" in pushed.text, pushed.text
    assert adopted.sh("stat -c '%a %U:%G' /etc/postfix/people") == "640 root:postfix", pushed.text
    assert adopted.postconf("virtual_alias_maps") == "proxy:sqlite:$config_directory/people"
    assert adopted.host.send("a@far.test", "ada@v.test").startswith("250")
    assert adopted.host.send("a@far.test", "bob@v.test").startswith("550 5.1.1")
    adopted.host.wait_for(lambda: "status=sent" in adopted.host.mail_log(), what="the message delivered")

    wrong = adopted.push({"tables/people.sqlite": SQLITE.replace("goto FROM alias", "target FROM alias")})
    assert not wrong.accepted
    assert "the query or its file is wrong" in wrong.text
