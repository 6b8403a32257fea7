"""What a plan gives its author: only what it adds or changes, whatever the live tree was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.features.composition import compose
from reconciler.host.settings import shipped
from reconciler.trees.gained import gained
from reconciler.trees.plan import diff
from reconciler.trees.render import render
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from reconciler.model import Contribution, Tree

SHIPPED = shipped("templates")
TEMPLATES = {str(path.relative_to(SHIPPED)): path.read_text() for path in SHIPPED.rglob("*.j2")}
ALIASES = {"tables/aliases": 'root: "|/usr/bin/a"\nlist: :include:/srv/list\n'}
PIPE = {"master.d/a.cf": "x unix - n n - - pipe {user=vmail} argv=/bin/true\n"}


def rendered(parameters: dict[str, str], files: dict[str, str]) -> tuple[Contribution, Tree]:
    origin = compose(desired(parameters, files), HOST)
    return origin, render(origin, TEMPLATES)


def gains(
    before: tuple[dict[str, str], dict[str, str]] | None, after: tuple[dict[str, str], dict[str, str]]
) -> list[str]:
    live = rendered(*before)[1] if before else {}
    origin, target = rendered(*after)
    plan = diff(live, target, origin)
    found = gained(plan, origin, HOST)
    assert gained(plan, origin, HOST, is_rendered=True) == found
    return [power.what for power in found]


def test_what_a_commit_adds_is_named_and_what_is_live_already_is_not_repeated() -> None:
    full = ({"debugger_command": "/usr/bin/id", "default_privs": "vmail"}, ALIASES | PIPE)
    everything = ["debugger_command", "default_privs", "service x/unix", '"root" in aliases', '"list" in aliases']
    assert gains(None, full) == everything
    assert gains(({}, {}), full) == everything
    assert gains(full, full) == []
    assert gains(full, (full[0] | {"smtpd_banner": "hi"}, full[1])) == []
    assert gains(full, ({}, {})) == []


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        (({"debugger_command": "/a"}, {}), ({"debugger_command": "/b"}, {}), ["debugger_command"]),
        (
            ({"mailbox_command": "$mine", "mine": "/a"}, {}),
            ({"mailbox_command": "$mine", "mine": "/b"}, {}),
            ["mailbox_command"],
        ),
        (({}, PIPE), ({}, {"master.d/a.cf": PIPE["master.d/a.cf"].replace("true", "false")}), ["service x/unix"]),
        (({}, PIPE), ({}, {"master.d/b.cf": PIPE["master.d/a.cf"]}), []),
        (({}, ALIASES), ({}, {"tables/aliases": f"bob: eve@x.example\n{ALIASES['tables/aliases']}"}), []),
        (({}, ALIASES), ({}, {"tables/aliases": f"bob: |/b\n{ALIASES['tables/aliases']}"}), ['"bob" in aliases']),
        (({}, {"tables/more": "bob |/b\n"}), ({"alias_maps": "table:more"}, {"tables/more": "bob |/b\n"}),
         ['"bob" in more']),
    ],
)  # fmt: skip
def test_a_change_names_only_what_it_changes(
    before: tuple[dict[str, str], dict[str, str]], after: tuple[dict[str, str], dict[str, str]], named: list[str]
) -> None:
    assert gains(before, after) == named


def test_another_program_for_a_service_is_what_its_author_gains() -> None:
    service = {"master.d/a.cf": "x unix - n n - - spawn user=vmail argv=/etc/postfix/bin/greylist\n"}
    first, second = ({**service, "files/bin/greylist": text} for text in ("a\n", "b\n"))

    assert gains(({}, first), ({}, second)) == ["bin/greylist, for service x/unix"]
    assert gains(({}, first), ({}, first)) == []
    longer = [
        {**one, "files/bin/grey": one["files/bin/greylist"], "files/bin/greylist": "a\n"} for one in (first, second)
    ]
    assert gains(({}, longer[0]), ({}, longer[1])) == []
    listed = {"tables/aliases": "list: :include:/etc/postfix/list\n", "files/list": "ada@a.test\n"}
    assert gains(({}, listed), ({}, {**listed, "files/list": "bob@a.test\n"})) == ['list, for "list" in aliases']


def test_a_link_for_other_programs_is_what_its_author_gains_and_so_is_another_file_behind_it() -> None:
    linked = {
        "mail.yaml": "hostname: a.b\nfiles:\n  rules.conf: {link: /etc/policyd/rules}\n", "files/rules.conf": "a\n",
    }  # fmt: skip
    plain = {**linked, "mail.yaml": "hostname: a.b\n"}

    assert gains(({}, plain), ({}, linked)) == ["/etc/policyd/rules"]
    changed = {**linked, "files/rules.conf": "b\n"}
    assert gains(({}, linked), ({}, changed)) == ["rules.conf, for /etc/policyd/rules"]
    assert gains(({}, linked), ({}, linked)) == []
