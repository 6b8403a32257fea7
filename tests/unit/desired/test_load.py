"""A commit's files become Desired, or every reason why they do not."""

from __future__ import annotations

import pytest

from reconciler.desired.load import load
from reconciler.features import parameters, services, smart_host, transports
from reconciler.model import Desired, File, Finding, Secret
from reconciler.model.errors import InvalidSource


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
        ("parameters:\n  relayhost: [mail.relay.com]\n", "mail.yaml:2:3", 'whole value: relayhost: "[mail.relay.com]"'),
        ("smart_host:\n  nexthop: [mail.relay.com]\n", "mail.yaml:2:3", 'whole value: nexthop: "[mail.relay.com]"'),
        ("smart_host: {nexthop: 'a b'}\n", "mail.yaml:1:23", "not a nexthop"),
        ("smart_host: {nexthop: a, username: u}\n", "mail.yaml:1:1", "password is missing"),
        ("smart_host: {nexthop: a, username: u, password: !secret nosuch}\n", "mail.yaml:1:49", "secret set nosuch"),
        ("parameters: {a: !secret x}\n", "mail.yaml:1:17", "readable by every user"),
        ('parameters:\n  smtpd_banner: "x\\nmynetworks = 0.0.0.0/0"\n', "mail.yaml:2:17", "smtpd_banner"),
        ("transports: {slow: {concurrency: 0}}\n", "mail.yaml:1:34", "greater than"),
        ("transports: {slow: {rate_delay: 2x}}\n", "mail.yaml:1:33", "rate_delay"),
        ("services: {smtp: {maxproc: 1}}\n", "mail.yaml:1:12", "smtp"),
        ("services: {smtp/inet: {maxprocs: 1}}\n", "mail.yaml:1:24", "did you mean maxproc"),
        ("services: {smtp: {}}\n", "mail.yaml:1:12", "expected NAME/TYPE, such as smtp/inet"),
        ("services: {smtp/inet: {options: {a b: c}}}\n", "mail.yaml:1:39", "name in services.smtp/inet.options"),
        ("services: {smtp/inet: {options: [x=y]}}\n", "mail.yaml:1:24", "write options: {x: y}"),
        ("services: {smtp/inet: {arguments: x}}\n", "mail.yaml:1:35", "arguments is a list"),
        ("services: {smtp/inet: {arguments: [null]}}\n", "mail.yaml:1:36", "is one text, got nothing"),
        ("services: {foo/unix: {maxproc: 1}}\n", "mail.yaml:1:12", "needs a command"),
        ("services: {smpt/inet: {maxproc: 1}}\n", "mail.yaml:1:12", "did you mean smtp/inet"),
        ("transports: {slow: {address: [1.2.3.4]}}\n", "mail.yaml:1:21", 'address: "1.2.3.4"'),
        ("transports: {slow: {address: x}}\n", "mail.yaml:1:30", 'is an IPv4 or IPv6 address, got "x"'),
        ("transports: {slow: {retry: x}}\n", "mail.yaml:1:28", 'is yes or no, got "x"'),
        ("transports: {slow: x}\n", "mail.yaml:1:20", "a mapping with the keys concurrency, "),
        ("smart_host: '[h]:587'\n", "mail.yaml:1:13", 'is a mapping: smart_host: {nexthop: "[h]:587"}'),
        ("smart_host: [h]\n", "mail.yaml:1:1", 'is a mapping: smart_host: {nexthop: "[h]"}'),
        ("tls: encrypt\n", "mail.yaml:1:6", "is a mapping with the keys outbound"),
        ("parameters: x\n", "mail.yaml:1:13", "is a mapping of NAME: VALUE"),
        ("parameters: {a: [b, null]}\n", "mail.yaml:1:14", "is one text, got a list"),
        ("parameters: {mynetworks: [a, b]}\n", "mail.yaml:1:14", 'mynetworks: "a, b"'),
        ("parameters:\n  mynetworks:\n  - a\n  - b\n", "mail.yaml:2:3", 'write mynetworks: "a, b"'),
        ("hostname: [a.b]\n", "mail.yaml:1:1", 'hostname: "a.b"'),
        ("parameters:\nhostname: a.b\n", "mail.yaml:1:12", "remove the key, or write parameters: {}"),
        ("hostname:\n", "mail.yaml:1:10", "give it one or remove the key"),
        ("myorigin: a\n", "mail.yaml:1:1", "put it under parameters: {myorigin: ...}"),
        ("smtpd_banner: a\n", "mail.yaml:1:1", "put it under parameters:"),
        ("sasl_things: {a: b}\n", "mail.yaml:1:1", "known are dkim, dns, "),
    ],
)  # fmt: skip
def test_bad_yaml_is_refused_at_its_place_with_its_cause(mail: str, place: str, cause: str) -> None:
    told = refused(mail)

    assert any(str(one).startswith(f"{place}:") and cause in one.text for one in told), [str(one) for one in told]


def test_a_plain_text_password_is_refused_without_being_repeated() -> None:
    [told] = refused("smart_host: {nexthop: a, username: u, password: hunter2}\n")

    assert "reconciler secret set smart_host" in told.text
    assert "hunter2" not in str(told)


@pytest.mark.parametrize("password", ["[hunter2]", "{hunter2: hunter2}"])
def test_nor_is_a_password_of_any_other_kind(password: str) -> None:
    [told] = refused(f"smart_host: {{nexthop: a, username: u, password: {password}}}\n")

    assert told.rule == "plain-text-secret"
    assert "hunter2" not in str(told)


@pytest.mark.parametrize("value", ["MAIL_CONFIG\\nTZ=UTC", "lmtp=24,\\nsmtp=25", "{ inet:a:1,\\nconnect_timeout=9s }"])
def test_lines_that_set_nothing_are_folded(value: str) -> None:
    assert "\n" in parameter(loaded(f'parameters: {{a: "{value}"}}\n'), "a")


@pytest.mark.parametrize("line", ["mynetworks=x", "smtpd_x=y", "a = b", "a =b", "a= b"])
def test_lines_that_look_like_settings_are_refused(line: str) -> None:
    [told] = refused(f'parameters: {{a: "x\\n{line}"}}\n')

    assert "would start a setting of its own" in told.text


def test_no_text_can_play_tricks_with_a_terminal() -> None:
    told = refused('"bad\\x1b[31m": x\nparameters: {"bell\\a": y}\n', {"tables/\x1b": ""})

    assert len(told) == 3
    assert all(str(one).isprintable() and one.subject.isprintable() for one in told)
    assert any('"bad\\x1b[31m"' in one.text for one in told)


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


def test_a_null_takes_away_its_key_and_never_its_section() -> None:
    desired = loaded(
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
    told = refused("parameters: {a: {d: e}}\n", {"hosts/mx1.yaml": f"parameters: {{a: {value}, f: g}}\n"})

    assert [(one.rule, str(one.where)) for one in told] == [("invalid-value", "hosts/mx1.yaml:1:14")]


def test_another_host_s_file_is_judged_as_that_host_merges_it() -> None:
    told = refused(
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
    [told] = refused("hostname: a.b\n", {"hosts/mx1.yaml": "hostname: c.d\n", "hosts/mx1.yml": "hostname: e.f\n"})

    assert str(told) == 'hosts/mx1.yml:1:1: host "mx1" is there twice: hosts/mx1.yaml has it already'


def test_a_service_of_master_d_or_a_transport_can_be_changed_without_a_command() -> None:
    mail = "services: {x/unix: {maxproc: 1}, slow/unix: {maxproc: 1}, oneshot/unix: {maxproc: 1}}\n"

    assert loaded(f"{mail}transports: {{slow: {{}}}}\n", **{"master.d/x.cf": "x unix - - n - - smtp\n"}).services


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
        ("tables/relay_passwd", "plain-text-secret"),
        ("tables/smtp_auth.texthash", "plain-text-secret"),
        ("tables/smtp_password_maps", "plain-text-secret"),
        ("secrets/smart_host", "plain-text-secret"),
        ("secrets/smart_host.txt", "plain-text-secret"),
        ("secrets/smart_host.age", "plain-text-secret"),
        ("secrets/recipient", "misplaced-file"),
        ("hosts/MX1.yaml", "misplaced-file"),
        ("master.d/a/b.cf", "misplaced-file"),
        ("master.d/extra.conf", "misplaced-file"),
        ("hosts/mx1.txt", "misplaced-file"),
    ],
)
def test_a_file_that_nothing_could_read_is_refused(path: str, rule: str) -> None:
    assert [one.rule for one in refused("hostname: a.b\n", {path: "hostname: a.b\n"})] == [rule]


def test_one_name_with_two_types_is_refused() -> None:
    [told] = refused("hostname: a.b\n", {"tables/x": "", "tables/x.pcre": ""})

    assert told.rule == "ambiguous-table"


def test_a_folder_with_a_slip_in_its_name_is_a_warning() -> None:
    desired = load(tree({"mail.yaml": "hostname: a.b\n", "table/x": "a b\n"}), "mx1", {})

    assert [(one.rule, one.severity.value) for one in desired.findings] == [("misplaced-file", "warning")]


def test_a_file_that_reconciler_writes_itself_is_a_warning() -> None:
    found = loaded("hostname: a.b\n", **{"main.cf": "", "master.cf": "", "other/main.cf": ""}).findings

    assert [(one.where.file, one.severity.value) for one in found] == [("main.cf", "warning"), ("master.cf", "warning")]


def test_a_table_that_no_value_names_and_that_almost_wires_itself_is_a_warning() -> None:
    files = {"tables/transports": "", "tables/alias": "", "tables/sender_access": "", "tables/generics": ""}
    used = "parameters: {smtp_generic_maps: 'table:generics'}\n"

    assert [one.text for one in loaded(used, **files).findings] == [
        "nothing asks table alias; did you mean aliases, which is alias_maps?",
        "nothing asks table transports; did you mean transport, which is transport_maps?",
    ]


def test_a_table_about_passwords_is_not_one_of_them() -> None:
    assert "password_reset_senders" in loaded("hostname: a.b\n", **{"tables/password_reset_senders": ""}).tables


def test_a_secret_is_sealed_and_other_files_beside_it_are_for_people() -> None:
    sealed = {"secrets/a.age": "age-encryption.org/v1\n", "secrets/b.age": "-----BEGIN AGE ENCRYPTED FILE-----\n"}
    beside = {"secrets/recipients": "", "secrets/README.md": "", "secrets/.gitattributes": ""}

    assert loaded("hostname: a.b\n", **sealed, **beside).findings == ()


def test_smart_host_off_says_that_there_is_none() -> None:
    section = loaded("smart_host: off\n").section(smart_host.Schema)

    assert section
    assert section.nexthop == ""


@pytest.mark.parametrize("name", ["oneshot", "relaylim"])
def test_a_built_in_transport_in_master_d_is_a_duplicate(name: str) -> None:
    assert name in transports.BUILT_IN
    [told] = refused("hostname: a.b\n", {"master.d/x.cf": f"{name} unix - - n - - smtp\n"})

    assert told.rule == "duplicate-service"
