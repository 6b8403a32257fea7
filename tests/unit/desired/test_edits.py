"""What `set` and `smart-host` write: one value changes, every other byte stays, and nothing is written twice."""

from __future__ import annotations

import pytest

from reconciler.desired.edits import (
    CannotRevise,
    drop_smart_host,
    set_parameter,
    set_smart_host,
    set_values,
    unset_parameter,
)
from reconciler.model import File, SecretName


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("hostname: a\n", "hostname: a\ndkim:\n  next: {selector: s2, key: !secret dkim-s2}\n"),
        ("dkim: {ttl: 1h}\n", "dkim: {ttl: 1h, next: {selector: s2, key: !secret dkim-s2}}\n"),
        ("dkim:\n  ttl: 1h # low\n", "dkim:\n  ttl: 1h # low\n  next: {selector: s2, key: !secret dkim-s2}\n"),
    ],
)
def test_a_step_of_a_roll_changes_nothing_else_of_the_text(text: str, after: str) -> None:
    wanted = {"next": {"selector": "s2", "key": SecretName("dkim-s2")}}
    changed = set_values({"mail.yaml": File.of(text.encode())}, "mx", "dkim", wanted)
    assert changed["mail.yaml"].decode() == after
    back = set_values({"mail.yaml": File.of(after.encode())}, "mx", "dkim", {"ttl": "1h", "next": None})
    assert "next" not in back["mail.yaml"].decode()
    assert "1h" in back["mail.yaml"].decode()


HOST, OWN = "mx1.example.com", "hosts/mx1.example.com.yaml"
MAIL = """\
hostname: mx1.example.com
# the relay
smart_host:
  nexthop: "[a.test]:587"   # ours
  username: u
  password: !secret relay
parameters:
  relayhost: x   # old
  mynetworks: 127.0.0.0/8
"""
SEALED = {"secrets/relay.age": "", "secrets/smart_host.age": ""}


def tree(mail: str = MAIL, own: str = "") -> dict[str, File]:
    files = {"mail.yaml": mail, **SEALED} | ({OWN: own} if own else {})
    return {path: File.of(text.encode()) for path, text in files.items()}


def text(changed: dict[str, bytes]) -> str:
    (content,) = changed.values()
    return content.decode()


def test_a_value_is_changed_in_its_place() -> None:
    assert text(set_parameter(tree(), HOST, "relayhost", "y")) == MAIL.replace("relayhost: x ", "relayhost: y ")


@pytest.mark.parametrize("value", ["true", "no", "a: b # c", "'", '"x"', "", "010", "[::1]", "$myhostname ESMTP"])
def test_a_value_is_read_back_as_it_was_given(value: str) -> None:
    changed = set_parameter(tree(), HOST, "n", value)
    assert set_parameter({**tree(), "mail.yaml": File.of(changed["mail.yaml"])}, HOST, "n", value) == {}


@pytest.mark.parametrize(
    ("mail", "after"),
    [
        ("a: b\n", "a: b\nparameters:\n  n: v\n"),
        ("a: b", "a: b\nparameters:\n  n: v\n"),
        ("parameters: {a: b} # c\n", "parameters: {a: b, n: v} # c\n"),
        ("{parameters: {a: b}}\n", "{parameters: {a: b, n: v}}\n"),
        (
            "parameters:\n    a: |\n      b\n    # end\nc: d\n",
            "parameters:\n    a: |\n      b\n    n: v\n    # end\nc: d\n",
        ),
    ],
)
def test_a_new_value_fits_in_whatever_the_layout(mail: str, after: str) -> None:
    assert text(set_parameter(tree(mail), HOST, "n", "v")) == after


def test_a_value_goes_where_it_is_written_now() -> None:
    own = "parameters:\n  relayhost: z\n"
    assert set_parameter(tree(own=own), HOST, "relayhost", "y") == {OWN: b"parameters:\n  relayhost: y\n"}
    assert set_parameter(tree(own=own), HOST, "n", "v").keys() == {"mail.yaml"}
    assert set_parameter(tree(own=own), "mx2.example.com", "relayhost", "y").keys() == {"mail.yaml"}


def test_what_is_said_already_changes_no_file() -> None:
    assert set_parameter(tree(), HOST, "relayhost", "x") == {}
    assert unset_parameter(tree(), HOST, "nothing") == {}


def test_a_value_is_taken_away_with_its_line() -> None:
    assert text(unset_parameter(tree(), HOST, "relayhost")) == MAIL.replace("  relayhost: x   # old\n", "")


def test_a_value_of_one_host_does_not_fall_back_to_that_of_all() -> None:
    own = "parameters:\n  relayhost: z\n"
    assert unset_parameter(tree(own=own), HOST, "relayhost") == {OWN: b"parameters:\n  relayhost: null\n"}
    alone = unset_parameter(tree(own="tls: {outbound: may}\nparameters:\n  n: z\n"), HOST, "n")
    assert alone == {OWN: b"tls: {outbound: may}\n"}


@pytest.mark.parametrize(
    "mail",
    [
        "a: &x\n  b: c\nparameters: *x\n",  # what others share
        "parameters: off\n",
        "hostname: a\nparameters: {n: v}\n",  # for unset: a mapping in braces
    ],
)
def test_what_can_not_be_written_there_is_left_to_a_person(mail: str) -> None:
    with pytest.raises(CannotRevise, match=r"^mail\.yaml:\d+:1: \"parameters\.[bn]\" can't be changed there"):
        unset_parameter(tree(mail), HOST, "n") if "{n" in mail else set_parameter(tree(mail), HOST, "b", "v")


def test_a_smart_host_keeps_its_comments_and_the_name_of_its_secret() -> None:
    changed = text(set_smart_host(tree(), HOST, {"nexthop": "[b.test]"}, "w"))
    assert changed == MAIL.replace("[a.test]:587", "x").replace('"x"', "'[b.test]'").replace(
        "username: u", "username: w"
    )


def test_a_smart_host_without_a_login_has_none() -> None:
    changed = text(set_smart_host(tree(), HOST, {"nexthop": "[a.test]:587"}, None))
    assert changed == MAIL.replace("  username: u\n  password: !secret relay\n", "")


@pytest.mark.parametrize("mail", ["a: b\n", "a: b\nsmart_host: off\n", "a: b\nsmart_host: {nexthop: c}\n"])
def test_a_smart_host_can_be_made_of_anything(mail: str) -> None:
    once = set_smart_host(tree(mail), HOST, {"nexthop": "[b.test]"}, "w")
    assert b"!secret smart_host" in once["mail.yaml"]
    assert set_smart_host(tree(text(once)), HOST, {"nexthop": "[b.test]"}, "w") == {}


def test_a_login_needs_its_secret_in_the_commit() -> None:
    files = {"mail.yaml": File.of(b"a: b\n")}
    with pytest.raises(
        CannotRevise, match=r"there is no secrets/smart_host\.age .* `reconciler secret set smart_host`"
    ):
        set_smart_host(files, HOST, {"nexthop": "[b.test]"}, "w")


def test_one_hosts_smart_host_inherits_no_login() -> None:
    changed = text(set_smart_host(tree(own="smart_host:\n  nexthop: c\n"), HOST, {"nexthop": "[b.test]"}, None))
    assert changed == "smart_host:\n  nexthop: '[b.test]'\n  username: null\n  password: null\n"


@pytest.mark.parametrize(
    ("mail", "own", "after"),
    [
        (MAIL, "", MAIL[: MAIL.index("smart_host")] + MAIL[MAIL.index("parameters") :]),
        ("smart_host: {nexthop: c}\n", "", "smart_host: off\n"),
        ("smart_host:\n  nexthop: c\n", "", "smart_host: off\n"),
        (MAIL, "smart_host:\n  nexthop: c\n", "smart_host: off\n"),
        ("{a: b, smart_host: {nexthop: c}}\n", "", "{a: b, smart_host: off}\n"),
        ("a: b\n", "tls: {}\nsmart_host:\n  nexthop: c\n", "tls: {}\n"),
    ],
)
def test_a_smart_host_goes_and_none_shows_through(mail: str, own: str, after: str) -> None:
    changed = drop_smart_host(tree(mail, own), HOST)
    assert changed.keys() == {OWN if own else "mail.yaml"}
    assert text(changed) == after
    again = {**tree(mail, own), **{path: File.of(content) for path, content in changed.items()}}
    assert drop_smart_host(again, HOST) == {}
