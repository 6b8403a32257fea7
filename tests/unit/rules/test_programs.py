"""Programs that their users may not run."""

from __future__ import annotations

import pytest

from reconciler.desired.lint import mentioned
from reconciler.features.composition import compose
from reconciler.model import Access, AccessKind, Facts
from tests.unit.desired_states import desired, findings_of
from tests.unit.host_facts import HOST, facts

PATH = "/opt/filter/run"
PIPE = "filter unix - n n - - pipe\n  flags=Rq user=vmail{group} argv=/opt/filter/run -f ${{sender}}\n"
ROUTE = {"tables/transport": "f.example filter:\n"}
ALIASES = {"tables/aliases": 'postmaster: root\nlist: "|/opt/filter/run --list, x", root\n'}


def denied(user: str, reason: str = "permission denied") -> Facts:
    return facts(files={**HOST.files, PATH: True}, accesses={Access(PATH, user, AccessKind.RUN): reason})


@pytest.mark.parametrize(("group", "user"), [("", "vmail:"), (":mail", "vmail:mail")])
def test_the_user_of_a_service_must_be_able_to_run_its_program(group: str, user: str) -> None:
    files = {"master.d/x.cf": PIPE.format(group=group), **ROUTE}
    assert Access(PATH, user, AccessKind.RUN) in mentioned(compose(desired(files=files), HOST), HOST).accesses
    (finding,) = findings_of("not-executable", files=files, facts=denied(user))
    assert (finding.is_error, finding.lasting, finding.where.file) == (True, False, "master.d/x.cf")
    assert f"can't run {PATH} (permission denied)" in finding.text
    assert findings_of("not-executable", files=files, facts=denied(user, "")) == []
    assert findings_of("not-executable", files=files, facts=facts()) == []


def test_a_service_that_nothing_routes_to_is_a_warning() -> None:
    (finding,) = findings_of("not-executable", files={"master.d/x.cf": PIPE.format(group="")}, facts=denied("vmail:"))
    assert not finding.is_error


def test_commands_of_aliases_run_as_default_privs() -> None:
    (finding,) = findings_of("not-executable", files=ALIASES, facts=denied("nobody:"))
    assert str(finding).startswith("tables/aliases:2:")
    assert '"list": the user nobody can\'t run /opt/filter/run' in finding.text
    other = {"default_privs": "vmail"}
    assert findings_of("not-executable", other, ALIASES, denied("nobody:")) == []
    assert len(findings_of("not-executable", other, ALIASES, denied("vmail:"))) == 1
