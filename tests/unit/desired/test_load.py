"""A commit's files become Desired, or every reason why they do not."""

from __future__ import annotations

import pytest

from reconciler.desired.load import load
from reconciler.features import parameters, services, smart_host
from tests.unit.commits import file_tree, load_commit, load_findings


def test_every_value_knows_its_place() -> None:
    desired = load_commit("hostname: mx1.example.com\nparameters:\n  a: b\n")

    assert str(desired.where("parameters", "a")) == "mail.yaml:3:6"
    assert str(desired.where("parameters", "nobody")) == "mail.yaml:2:1"


def test_all_errors_of_a_commit_are_reported_at_once_in_their_order() -> None:
    told = load_findings(
        "hostname: mx\nparametres: {}\ntls: {outbound: encript}\n",
        {"master.d/x.cf": "smtp inet n - n - - smtpd\n", "tables/x.foo": "", "hosts/y.yaml": "a: [\n"},
    )

    assert [(one.where.file, one.rule) for one in told] == [
        ("hosts/y.yaml", "unreadable-yaml"),
        ("mail.yaml", "invalid-value"),
        ("mail.yaml", "unknown-key"),
        ("mail.yaml", "invalid-value"),
        ("master.d/x.cf", "duplicate-service"),
        ("tables/x.foo", "invalid-table"),
    ]


def test_no_text_can_play_tricks_with_a_terminal() -> None:
    told = load_findings('"bad\\x1b[31m": x\nparameters: {"bell\\a": y}\n', {"tables/\x1b": ""})

    assert len(told) == 3
    assert all(str(one).isprintable() and one.subject.isprintable() for one in told)
    assert any('"bad\\x1b[31m"' in one.text for one in told)


@pytest.mark.parametrize("mail", [None, "", "# nothing\n", "{}\n"])
def test_an_empty_state_is_never_a_wish_to_remove_everything(mail: str | None) -> None:
    [told] = load_findings(mail, {"tables/virtual": "a b\n"})

    assert (told.rule, str(told.where)) == ("empty-state", "mail.yaml:1:1")


def test_what_a_host_says_prevails_and_null_removes() -> None:
    desired = load(
        file_tree({
            "mail.yaml": "parameters: {a: 1, b: 2}\nsmart_host: {nexthop: x}\n",
            "hosts/mx1.yaml": "parameters:\n  a: null\n  c: 3\nsmart_host: null\nservices: {smtp/inet: null}\n",
            "hosts/mx2.yaml": "parameters: {z: 26}\n",
        }),
        "mx1",
        {},
    )  # fmt: skip

    section, changes = desired.section(parameters.Schema), desired.section(services.Schema)
    assert section
    assert changes
    assert section.root == {"b": "2", "c": "3"}
    assert changes.root == {"smtp/inet": None}
    assert desired.section(smart_host.Schema) is None
    assert str(desired.where("parameters", "c")) == "hosts/mx1.yaml:3:6"


def test_a_null_takes_away_its_key_and_never_its_section() -> None:
    desired = load_commit(
        "hostname: a.b\n",
        **{
            "hosts/mx1.yaml": "parameters: {mynetworks: 127.0.0.0/8, myorigin: x.example, relayhost: null}\n"
            "smart_host: {username: null}\n"
        },
    )

    section = desired.section(parameters.Schema)
    assert section
    assert section.root == {"mynetworks": "127.0.0.0/8", "myorigin": "x.example"}
    assert str(desired.where("parameters", "myorigin")) == "hosts/mx1.yaml:1:49"
    assert desired.section(smart_host.Schema) is None


@pytest.mark.parametrize("value", ["[null]", "{b: null}", "{b: {c: null}}"])
def test_a_null_where_it_removes_nothing_never_hides_an_error(value: str) -> None:
    told = load_findings("parameters: {a: {d: e}}\n", {"hosts/mx1.yaml": f"parameters: {{a: {value}, f: g}}\n"})

    assert [(one.rule, str(one.where)) for one in told] == [("invalid-value", "hosts/mx1.yaml:1:14")]


def test_another_host_s_file_is_judged_as_that_host_merges_it() -> None:
    told = load_findings(
        "smart_host: {nexthop: a}\n",
        {
            "hosts/mx2.yaml": "paramters: {a: b}\ntls: {outbound: encript}\nservices: {x/unix: {maxproc: 1}}\n",
            "hosts/mx3.yaml": "smart_host: {username: u, password: !secret x}\n",
        },
    )

    assert [str(one.where) for one in told] == [
        "hosts/mx2.yaml:1:1", "hosts/mx2.yaml:2:17", "hosts/mx2.yaml:3:12", "hosts/mx3.yaml:1:37",
    ]  # fmt: skip
    assert "did you mean parameters" in told[0].text


def test_a_host_has_one_file() -> None:
    [told] = load_findings("hostname: a.b\n", {"hosts/mx1.yaml": "hostname: c.d\n", "hosts/mx1.yml": "hostname: e.f\n"})

    assert str(told) == 'hosts/mx1.yml:1:1: duplicate host "mx1": hosts/mx1.yaml is its file already'


def test_a_service_of_master_d_or_a_transport_can_be_changed_without_a_command() -> None:
    mail = "services: {x/unix: {maxproc: 1}, slow/unix: {maxproc: 1}, oneshot/unix: {maxproc: 1}}\n"

    assert load_commit(f"{mail}transports: {{slow: {{}}}}\n", **{"master.d/x.cf": "x unix - - n - - smtp\n"}).services
