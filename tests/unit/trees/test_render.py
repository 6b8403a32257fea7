"""render(): the starter state as golden files, and the same bytes each time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import File, Secret, Tree
from reconciler.trees.render import render
from tests.unit.host_facts import facts

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"
TEMPLATES = {
    str(path.relative_to(ROOT / "templates")): path.read_text() for path in sorted((ROOT / "templates").rglob("*.j2"))
}
MAIL = {"mail.yaml": "hostname: mx1.example.com\n"}
SITE = "domains: [d{0}.test]\ndelivery: {{address: 192.0.2.{0}, helo: mail.d{0}.test}}\n"


def rendered(files: dict[str, str]) -> Tree:
    tree = {path: File.of(text.encode()) for path, text in files.items()}
    desired = load(tree, "mx1", {"relay": Secret("relay", "geheim")})
    return render(compose(desired, facts()), TEMPLATES)


def starter() -> dict[str, str]:
    folder = ROOT / "desired-state"
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", ["main.cf", "master.cf"])
def test_the_starter_state_renders_as_it_did(name: str) -> None:
    text = rendered(starter())[name].read().decode()
    if os.environ.get("RECONCILER_GOLDEN"):  # to renew them: RECONCILER_GOLDEN=1 pytest, then read the difference
        (GOLDEN / name).write_text(text)

    assert text == (GOLDEN / name).read_text()


def test_the_same_input_gives_the_same_bytes() -> None:
    one, other = rendered(starter()), rendered(starter())

    assert {path: file.digest for path, file in one.items()} == {path: file.digest for path, file in other.items()}


def test_a_value_is_data_and_never_a_template() -> None:
    text = rendered({"mail.yaml": 'parameters: {smtpd_banner: "{{ 7*7 }} {% x %}"}\n'})["main.cf"].read().decode()

    assert "smtpd_banner = {{ 7*7 }} {% x %}\n" in text


def test_falsy_values_are_written_and_never_dropped() -> None:
    mail = "parameters: {a_bool: no, a_number: 0, a_text: ''}\n"

    lines = rendered({"mail.yaml": mail})["main.cf"].lines()

    assert {"a_bool = no", "a_number = 0", "a_text ="} <= set(lines)


def test_the_line_breaks_of_a_value_are_folded() -> None:
    mail = "parameters:\n  list: |\n    one,\n\n    two\n"

    assert "list = one,\n    two\n" in rendered({"mail.yaml": mail})["main.cf"].read().decode()


def test_parameters_prevail_over_features() -> None:
    mail = "smart_host: {nexthop: a.example}\nparameters: {relayhost: b.example}\n"

    assert "relayhost = b.example" in rendered({"mail.yaml": mail})["main.cf"].lines()


def test_a_table_is_its_own_source_byte_for_byte() -> None:
    tree = rendered({"mail.yaml": "hostname: a.b\n", "tables/virtual": "# why\na  b\n"})

    assert tree["virtual"].read() == b"# why\na  b\n"
    assert (tree["virtual"].compiled, tree["virtual"].mode) == ("postmap lmdb", 0o644)
    assert "virtual_alias_maps = lmdb:$config_directory/virtual" in tree["main.cf"].lines()


def test_table_names_in_values_stand_for_the_compiled_table() -> None:
    mail = "parameters: {smtpd_sender_restrictions: 'check_sender_access table:senders, reject'}\n"
    service = "x unix - - n - - smtp\n  -o header_checks=table:h\n"

    tree = rendered(
        {"mail.yaml": mail, "tables/senders": "a OK\n", "tables/h.regexp": "/x/ WARN\n", "master.d/x.cf": service}
    )

    assert (
        "smtpd_sender_restrictions = check_sender_access lmdb:$config_directory/senders, reject"
        in tree["main.cf"].lines()
    )
    assert "    -o header_checks=regexp:$config_directory/h" in tree["master.cf"].lines()


LOGIN = "smart_host: {nexthop: '[mail.relay.com]:587', username: u, password: !secret relay}\n"


def test_the_login_table_has_the_nexthop_verbatim_and_is_for_root_alone() -> None:
    tree = rendered({"mail.yaml": LOGIN, "secrets/relay.age": "x"})

    assert tree["sasl_passwd"].read() == b"[mail.relay.com]:587 u:geheim\n"
    assert tree["sasl_passwd"].mode == 0o600
    assert "smtp_tls_security_level = encrypt" in tree["main.cf"].lines()


def test_without_a_login_there_is_no_trace_of_one() -> None:
    tree = rendered({"mail.yaml": "smart_host: {nexthop: '[mail.relay.com]:587'}\n"})

    assert "sasl_passwd" not in tree
    assert "smtp_tls_security_level = may" in tree["main.cf"].lines()
    assert not any("sasl" in line for line in tree["main.cf"].lines())


def test_null_removes_a_stock_service() -> None:
    lines = rendered({"mail.yaml": "services: {smtp/inet: null, lmtp/unix: {maxproc: 7}}\n"})["master.cf"].lines()

    assert not any(line.startswith("smtp  inet") for line in lines)
    assert "lmtp  unix  -  -  n  -  7  lmtp" in lines


def test_a_service_that_differs_is_written_anew_and_the_others_as_before() -> None:
    sites = {f"sites/site{one}/site.yaml": SITE.format(one) for one in range(1, 30)}
    whole = rendered({**MAIL, **sites})["master.cf"].lines()

    changed = rendered({**MAIL, **sites, "sites/site7/site.yaml": SITE.format(77)})["master.cf"].lines()

    assert [line for line in changed if line not in whole] == [
        "    -o smtp_helo_name=mail.d77.test", "    -o smtp_bind_address=192.0.2.77"
    ]  # fmt: skip
    assert rendered({**MAIL, **sites})["master.cf"].lines() == whole
