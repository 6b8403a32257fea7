"""A hand edit becomes a commit that loads and renders to exactly what was edited, or is told and changes nothing."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.desired.from_live import HostInputs, RepositoryEdit, express, message, state
from reconciler.model import File, Tree
from reconciler.postfix.syntax import read_main, read_master, show_service
from tests.unit.host_facts import HOST

SHIPPED = Path(__file__).parents[3] / "templates"
TEMPLATES = {str(path.relative_to(SHIPPED)): path.read_text() for path in SHIPPED.rglob("*.j2")}
INPUTS = HostInputs(facts=HOST, templates=TEMPLATES, secrets={})
MAIL = """\
# The mail of the company
hostname: mx.test.example   # as in DNS
parameters:
  mynetworks: 127.0.0.0/8

  # Who may relay.
  smtpd_relay_restrictions: permit_mynetworks, reject_unauth_destination
  smtpd_sender_restrictions: check_sender_access table:senders
  luser_relay: |
    root
services:
  smtp/inet: {maxproc: 9}
"""
ALONE = {
    "mail.yaml": MAIL,
    "tables/transport": "old.test  smtp:[127.0.0.1]:2525\n",
    "tables/senders": "a@old.test  REJECT\n",
    "master.d/more.cf": "# ours\n2525 inet n - n - - smtpd\n    -o smtpd_banner=two\nother unix - - n - - smtp\n",
}
SHARED = {
    **ALONE,
    "hosts/mx.test.example.yaml": "# mine\nparameters: {mail_name: Ours}\n",
    "hosts/b.test.yml": "tls: {}\n",
}
STATES = {"alone": ALONE, "shared": SHARED, "bare": {"mail.yaml": "hostname: mx.test.example\n"}}


def tree(files: dict[str, str]) -> Tree:
    return {path: File.of(text.encode()) for path, text in files.items()}


@functools.cache
def rendered(name: str) -> Tree:
    return INPUTS.rendered(tree(STATES[name]))[0]


def edited(
    name: str, parameters: dict[str, str | None], services: dict[str, str | None], tables: dict[str, str]
) -> Tree:
    """What is live after somebody has changed these, as postconf(1) would."""
    live = dict(rendered(name))
    kept = read_main(live["main.cf"].read().decode(), "main.cf")[0]
    values = {**{key: one.value for key, one in kept.items()}, **parameters}
    lines = [f"{key} = {value}" for key, value in values.items() if value is not None]
    entries = {one.key: show_service(one) for one in read_master(live["master.cf"].read().decode(), "master.cf")[0]}
    rows = [row for row in {**entries, **services}.values() if row is not None]
    for path, changed, text in (("main.cf", parameters, lines), ("master.cf", services, rows)):
        live[path] = File.of(("\n".join(text) + "\n").encode()) if changed else live[path]
    sources = {key: File.of(text.encode(), compiled=live[key].compiled) for key, text in tables.items() if key in live}
    return live | sources


def committed(name: str, said: RepositoryEdit) -> Tree:
    """The files of the commit."""
    files = {**tree(STATES[name])} | {path: File.of(text) for path, text in said.files.items() if text is not None}
    return {path: file for path, file in files.items() if said.files.get(path, b"") is not None}


def effective(meaning: Tree) -> dict[object, str]:
    """What Postfix makes of it: a parameter at its default is one that is not set."""
    return {
        item: value
        for item, value in state(meaning).items()
        if value != " ".join(HOST.parameters.get(item.name, "\0").split())
    }


OPTION = " -o myhostname=x"
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=("C", "Zl", "Zp")), max_size=30)
VALUES = WORDS.map(lambda text: " ".join(text.replace("$", "").split())).filter(
    lambda text: "passw" not in text.lower()
)
NAMES = st.sampled_from(
    ["mynetworks", "smtpd_banner", "mail_name", "luser_relay", "transport_maps", "maximal_queue_lifetime"]
)
PARAMETERS = st.dictionaries(NAMES, st.none() | VALUES, max_size=4)
SERVICES = st.dictionaries(
    st.sampled_from(["smtp/inet", "2525/inet", "flush/unix", "new/unix", "[::1]:26/inet", "pickup/unix"]),
    st.none()
    | st.tuples(st.sampled_from("yn-"), st.integers(0, 99), st.sampled_from(["smtpd", "lmtp"]), st.booleans()),
    max_size=3,
)
TABLES = st.dictionaries(st.sampled_from(["transport", "senders"]), st.text("ab.@\n #é\t", max_size=40), max_size=2)


@settings(max_examples=150)
@given(st.sampled_from(sorted(STATES)), PARAMETERS, SERVICES, TABLES)
def test_the_commit_renders_to_what_was_edited(
    name: str,
    parameters: dict[str, str | None],
    services: dict[str, tuple[str, int, str, bool] | None],
    tables: dict[str, str],
) -> None:
    rows = {
        key: None if fields is None else "{} {} - {} n - {} {}{}".format(
            *key.rsplit("/", 1), fields[0] if "unix" in key else "n", fields[1], fields[2], OPTION * fields[3]
        )
        for key, fields in services.items()
    }  # fmt: skip
    live = edited(name, parameters, rows, tables)
    said = express(rendered(name), live, tree(STATES[name]), INPUTS)
    again = INPUTS.rendered(committed(name, said))[0]
    if not said.unexpressed:
        assert effective(again) == effective(live)
    told = "\n".join(said.unexpressed)
    for item in {*effective(again).items()} ^ {*effective(live).items()}:
        assert item[0].name in told  # type: ignore[attr-defined] # items of a state


@pytest.mark.parametrize("name", STATES)
def test_an_edit_of_simple_things_leaves_nothing_to_tell(name: str) -> None:
    live = edited(name, {"smtpd_banner": "a: {b}, #c", "mynetworks": None}, {"new/unix": "new unix - - n - - smtp"}, {})
    said = express(rendered(name), live, tree(STATES[name]), INPUTS)
    assert said.unexpressed == ()
    assert effective(INPUTS.rendered(committed(name, said))[0]) == effective(live)


def test_comments_and_order_of_the_yaml_stay() -> None:
    live = edited("alone", {"mynetworks": "10.0.0.0/8", "mail_name": "x"}, {"smtp/inet": None}, {})
    said = express(rendered("alone"), live, tree(ALONE), INPUTS)
    assert (said.files["mail.yaml"] or b"").decode() == MAIL.replace("127.0.0.0/8", "10.0.0.0/8").replace(
        "    root\n", "    root\n  mail_name: x\n"
    ).replace("{maxproc: 9}", "null")


def test_a_table_is_named_as_people_name_it() -> None:
    value = "check_sender_access lmdb:$config_directory/senders, permit"
    live = edited("alone", {"smtpd_sender_restrictions": value}, {}, {})
    said = express(rendered("alone"), live, tree(ALONE), INPUTS)
    assert b"smtpd_sender_restrictions: check_sender_access table:senders, permit" in (said.files["mail.yaml"] or b"")


def test_in_a_repository_of_many_hosts_only_this_hosts_file_changes() -> None:
    live = edited("shared", {"smtpd_banner": "x", "mail_name": None, "luser_relay": None}, {"2525/inet": None}, {})
    said = express(rendered("shared"), live, tree(SHARED), INPUTS)
    assert list(said.files) == ["hosts/mx.test.example.yaml"]
    assert said.unexpressed == ()


@pytest.mark.parametrize(
    ("parameters", "services"),
    [
        ({"smtp_sasl_password_maps": "static:ada:hunter2"}, {}),
        ({"smtpd_banner": "my password is hunter2"}, {}),
        ({}, {"new/unix": "new unix - - n - - smtp -o smtp_sasl_password_maps=inline:{a=hunter2}"}),
        ({}, {"new/unix": "new unix - - n - - smtp -o { a={ b = hunter2"}),
    ],
)
def test_what_may_be_a_password_is_in_no_file_and_no_message(
    parameters: dict[str, str | None], services: dict[str, str | None]
) -> None:
    said = express(rendered("alone"), edited("alone", parameters, services, {}), tree(ALONE), INPUTS)
    text = message("A subject", said, ["about"], ["Edit-Id: 1"])
    assert said.files == {}
    assert "hunter2" not in text or "{ b" in str(services)


def test_a_file_that_is_gone_is_told_and_nothing_is_removed() -> None:
    live = {path: file for path, file in rendered("alone").items() if path not in ("main.cf", "transport")}
    said = express(rendered("alone"), live, tree(ALONE), INPUTS)
    assert said.files == {}
    assert [change.what for change in said.changes] == ["transport", "main.cf"]


def test_what_is_left_alone_is_not_said() -> None:
    live = edited("alone", {"smtpd_banner": "x", "mail_name": "y"}, {}, {"transport": "a.test discard:\n"})
    said = express(rendered("alone"), live, tree(ALONE), INPUTS, ("main.cf:smtpd_banner", "transport"))
    assert said.names == ["mail_name"]
    assert list(said.files) == ["mail.yaml"]


FILES = {**ALONE, "files/sasl/x.conf": "a: b\nc: d\n"}


def test_an_edit_of_a_deployed_file_is_one_of_the_file_in_the_commit() -> None:
    before = INPUTS.rendered(tree(FILES))[0]
    said = express(before, {**before, "sasl/x.conf": File.of(b"a: B\nc: d\n")}, tree(FILES), INPUTS)

    assert (said.files, said.unexpressed) == ({"files/sasl/x.conf": b"a: B\nc: d\n"}, ())


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (b"sql_passwd: hunter2\n", 0o644),
        (b"-----BEGIN PRIVATE KEY-----\nhunter2\n", 0o644),
        (b"x\n", 0o755),  # a commit made here has no programs
    ],
)
def test_an_edit_of_a_deployed_file_that_no_commit_may_hold_is_only_told(content: bytes, mode: int) -> None:
    files = {**tree(FILES), "files/sasl/x.conf": File.of(b"a: b\n", 0o100000 | mode)}
    before = INPUTS.rendered(files)[0]
    said = express(before, {**before, "sasl/x.conf": File.of(content, mode)}, files, INPUTS)

    assert said.files == {}
    assert "sasl/x.conf" in said.unexpressed[0]
    assert "hunter2" not in message("A subject", said, ["about"], ["Edit-Id: 1"])


def test_a_password_that_is_there_already_keeps_no_other_edit_from_its_commit() -> None:
    files = tree({**ALONE, "mail.yaml": MAIL.replace("luser_relay", "people_bind_pw: hunter2\n  luser_relay")})
    before = INPUTS.rendered(files)[0]
    main = before["main.cf"].read().replace(b"127.0.0.0/8", b"10.0.0.0/8")
    said = express(before, {**before, "main.cf": File.of(main)}, files, INPUTS)

    assert b"mynetworks: 10.0.0.0/8" in (said.files["mail.yaml"] or b"")
