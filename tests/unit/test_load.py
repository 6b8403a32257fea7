"""A commit's files become Desired, or every reason why they do not."""

from __future__ import annotations

import pytest

from reconciler.errors import InvalidSource
from reconciler.features import parameters, services, smart_host, transports
from reconciler.load import load
from reconciler.model import Desired, File, Finding, Secret


def tree(files: dict[str, str]) -> dict[str, File]:
    return {path: File.of(text.encode()) for path, text in files.items()}


def loaded(mail: str, **files: str) -> Desired:
    return load(tree({"mail.yaml": mail} | files), "mx1", {"relay": Secret("relay", "geheim")})


def refused(mail: str | None, files: dict[str, str] | None = None) -> list[Finding]:
    everything = ({} if mail is None else {"mail.yaml": mail}) | (files or {})
    with pytest.raises(InvalidSource) as raised:
        load(tree(everything), "mx1", {})
    return list(raised.value.findings)


def parameter(desired: Desired, name: str) -> str:
    section = desired.section(parameters.Schema)
    assert section
    return section.root[name]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("yes", "yes"), ("True", "yes"), ("on", "yes"), ("OFF", "no"), ("false", "no"), ('"true"', "true"),
        ("010", "010"), ("1e3", "1e3"), ("0", "0"), ('""', ""), ("'no'", "no"), ("y", "y"), ("0x1F", "0x1F"),
        ("2026-11-22", "2026-11-22"), ("12:30", "12:30"), ("'~'", "~"), ("$myhostname", "$myhostname"),
        ('"{{ 7*7 }}"', "{{ 7*7 }}"),
    ],
)  # fmt: skip
def test_a_value_is_the_text_of_its_scalar(written: str, meant: str) -> None:
    assert parameter(loaded(f"parameters:\n  p: {written}\n"), "p") == meant


def test_every_value_knows_its_place() -> None:
    desired = loaded("hostname: mx1.example.com\nparameters:\n  a: b\n")

    assert str(desired.where("parameters", "a")) == "mail.yaml:3:6"
    assert str(desired.where("parameters", "nobody")) == "mail.yaml:2:1"


def test_all_errors_of_a_commit_are_reported_at_once_in_their_order() -> None:
    told = refused(
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


@pytest.mark.parametrize(
    ("mail", "place", "cause"),
    [
        ("a: !!python/name:os.system x\n", "mail.yaml:1:4", "the only one is !secret"),
        ("a: !secret [x]\n", "mail.yaml:1:4", "!secret"),
        ("a: &x [*x]\n", "mail.yaml:1:4", "alias"),
        ("a: b\na: c\n", "mail.yaml:2:1", "set already at line 1"),
        ("a: {<<: {b: c}}\n", "mail.yaml:1:5", "merge keys"),
        ("a: b\n---\nc: d\n", "mail.yaml:2:1", "second YAML document"),
        ("a: " + "[" * 20 + "]" * 20, "mail.yaml:1:19", "nested deeper"),
        ("- a\n", "mail.yaml:1:1", "a list"),
        ("just words\n", "mail.yaml:1:1", "just words"),
        ("parameters:\n  a:\n", "mail.yaml:2:5", 'write ""'),
        ("parameters:\n  relayhost: [mail.relay.com]\n", "mail.yaml:2:3", 'quote the whole text: "[mail.relay.com]"'),
        ("smart_host:\n  nexthop: [mail.relay.com]\n", "mail.yaml:2:3", 'quote the whole text: "[mail.relay.com]"'),
        ("smart_host: {nexthop: 'a b'}\n", "mail.yaml:1:23", "not a nexthop"),
        ("smart_host: {nexthop: a, username: u}\n", "mail.yaml:1:1", "password is missing"),
        ("smart_host: {nexthop: a, username: u, password: !secret nosuch}\n", "mail.yaml:1:49", "secret set nosuch"),
        ("parameters: {a: !secret x}\n", "mail.yaml:1:17", "readable by every user"),
        ('parameters:\n  smtpd_banner: "x\\nmynetworks = 0.0.0.0/0"\n', "mail.yaml:2:17", "smtpd_banner"),
        ("transports: {slow: {concurrency: 0}}\n", "mail.yaml:1:34", "greater than"),
        ("transports: {slow: {rate_delay: 2x}}\n", "mail.yaml:1:33", "rate_delay"),
        ("services: {smtp: {maxproc: 1}}\n", "mail.yaml:1:12", "smtp"),
        ("services: {smtp/inet: {maxprocs: 1}}\n", "mail.yaml:1:24", "did you mean maxproc"),
    ],
)  # fmt: skip
def test_bad_yaml_is_refused_at_its_place_with_its_cause(mail: str, place: str, cause: str) -> None:
    told = refused(mail)

    assert any(str(one).startswith(f"{place}:") and cause in one.text for one in told), [str(one) for one in told]


def test_a_plain_text_password_is_refused_without_being_repeated() -> None:
    [told] = refused("smart_host: {nexthop: a, username: u, password: hunter2}\n")

    assert "reconciler secret set smart_host" in told.text
    assert "hunter2" not in str(told)


@pytest.mark.parametrize("mail", [None, "", "# nothing\n", "{}\n"])
def test_an_empty_state_is_never_a_wish_to_remove_everything(mail: str | None) -> None:
    [told] = refused(mail, {"tables/virtual": "a b\n"})

    assert (told.rule, str(told.where)) == ("empty-state", "mail.yaml:1:1")


def test_bytes_that_are_not_text_are_refused_with_their_line() -> None:
    with pytest.raises(InvalidSource, match=r"mail.yaml:2:1: this is not UTF-8"):
        load({"mail.yaml": File.of(b"a: b\nc: \xff\n")}, "mx1", {})


def test_a_huge_yaml_file_is_refused_unread() -> None:
    [told] = refused("a: " + "x" * (1 << 20))

    assert "more than" in told.text


def test_what_a_host_says_prevails_and_null_removes() -> None:
    desired = load(
        tree({
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


def test_tables_take_their_type_from_their_name() -> None:
    files = {"tables/a": "", "tables/b.pcre": "", "tables/c.hash": "", "tables/aliases": "", "tables/README.md": "x"}
    desired = load(tree({"mail.yaml": "hostname: a.b\n"} | files), "mx1", {})

    assert {name: (one.type, one.compiler) for name, one in desired.tables.items()} == {
        "a": ("lmdb", "postmap"), "b": ("pcre", ""), "c": ("hash", "postmap"), "aliases": ("lmdb", "postalias"),
    }  # fmt: skip
    assert desired.tables["b"].reference == "pcre:$config_directory/b"


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("tables/sasl_passwd", "plain-text-secret"),
        ("tables/main.cf", "invalid-table"),
        ("tables/x.pcrre", "invalid-table"),
        ("tables/a b", "invalid-table"),
        ("tables/deep/er", "invalid-table"),
        ("master.d/extra.conf", "misplaced-file"),
        ("hosts/mx1.txt", "misplaced-file"),
    ],
)
def test_a_file_that_nothing_could_read_is_refused(path: str, rule: str) -> None:
    assert [one.rule for one in refused("hostname: a.b\n", {path: "a b\n"})] == [rule]


def test_one_name_with_two_types_is_refused() -> None:
    [told] = refused("hostname: a.b\n", {"tables/x": "", "tables/x.pcre": ""})

    assert told.rule == "ambiguous-table"


def test_a_folder_with_a_slip_in_its_name_is_a_warning() -> None:
    desired = load(tree({"mail.yaml": "hostname: a.b\n", "table/x": "a b\n"}), "mx1", {})

    assert [(one.rule, one.severity.value) for one in desired.findings] == [("misplaced-file", "warning")]


def test_smart_host_off_says_that_there_is_none() -> None:
    section = loaded("smart_host: off\n").section(smart_host.Schema)

    assert section
    assert section.nexthop == ""


@pytest.mark.parametrize("name", ["oneshot", "relaylim"])
def test_a_built_in_transport_in_master_d_is_a_duplicate(name: str) -> None:
    assert name in transports.BUILT_IN
    [told] = refused("hostname: a.b\n", {"master.d/x.cf": f"{name} unix - - n - - smtp\n"})

    assert told.rule == "duplicate-service"
