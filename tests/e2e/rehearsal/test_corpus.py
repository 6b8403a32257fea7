"""The configuration corpus on a real host: the broken is refused for its own cause, the healthy goes live."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from reconciler.desired import flows, layout, load, master_d, schema_errors, yaml_reader
from reconciler.postfix import syntax, tables
from tests.e2e.adopted_host import CLONE, AdoptedHost, Push
from tests.e2e.hosts import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

CORPUS = Path(__file__).parents[2] / "corpus"
BROKEN = yaml.load((CORPUS / "broken.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
HEALTHY = yaml.load((CORPUS / "healthy.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
FIELD_BROKEN, FIELD_HEALTHY, INSTALLED = (
    yaml.load((CORPUS / f"field-{kind}.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)["cases"]
    for kind in ("broken", "healthy", "healthy-installed")
)
# The unit tests judge all of these; the rest needs programs that this host lacks, or is much like these.
LIVE = {
    "star-smart-host", "per-user-classes", "whitelisted-recipients-staging", "discard-all-staging", "verify-relay",
    "access-tables",
}  # fmt: skip
FIELD_HEALTHY += [case for case in INSTALLED if case["name"] in LIVE]
# Cases of the field that are not caught yet, or refused though healthy; a case that is right must leave this set.
NOT_YET: set[str] = set()
# What the field's cases say about their host: an empty jail, no store of virtual mailboxes, no archive.
AS_IN_THE_FIELD = """
mkdir -p /var/spool/postfix/etc && find /var/spool/postfix/etc -mindepth 1 -delete
rm -rf /srv/vmail /srv/archive /etc/postfix-out; mkdir -p /var/opt && chown root: /var/opt
"""
READERS = (yaml_reader, flows, layout, load, master_d, syntax, tables, schema_errors)
REHEARSED = {
    "auth-not-offered", "listener-fails", "master-fails", "service-dies", "starttls-not-offered", "transport-fails",
    "warning-in-rehearsal",
}  # fmt: skip
FROM_BEFORE = ', where it was "'
PLACE = re.compile(r"^remote:   ([\w./-]+:\d+:\d+: .*?)\s*$", re.MULTILINE)
FOREIGN = "import socket, time; s = socket.create_server(('127.0.0.1', 3399)); time.sleep(600)"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: a case, what `postfix check` says of a broken one, who of ours noticed, and what."""

    case: str
    check: str
    by: str
    said: str


def state(case: dict[str, Any]) -> dict[str, str | None]:
    """The base state with the case's change."""
    mail = dict(BROKEN["base"]["mail.yaml"])
    mail["parameters"] = mail["parameters"] | case.get("parameters", {})
    files: dict[str, str | None] = {"mail.yaml": yaml.safe_dump(mail, sort_keys=False)}
    files |= BROKEN["base"]["files"] | case.get("files", {})
    for path, text in case.get("append", {}).items():
        files[path] = (files[path] or "") + text
    # The cases are for a host of the name that the base state gives to its mail system.
    return {path.replace("hosts/mx.test.example.", f"hosts/{NAME}."): text for path, text in files.items()}


def cases(listed: list[dict[str, Any]]) -> list[Any]:
    """The cases as parameters of a test; those of NOT_YET must fail."""
    strict = pytest.mark.xfail(strict=True, reason="it is not right yet")
    return [pytest.param(case, id=case["name"], marks=[strict] * (case["name"] in NOT_YET)) for case in listed]


def push(adopted: AdoptedHost, case: dict[str, Any]) -> Push:
    """Push the case, and nothing that another case has left."""
    adopted.sh(f"cd {CLONE} && git reset -q --hard origin/main")
    stale = {
        path: None
        for path in adopted.git("ls-files", where=CLONE).split()
        if path not in state(case) and not path.startswith("secrets/")
    }
    # A case may have a long table, which the next one removes.
    return adopted.push({**stale, **state(case)}, f"{case['name']}\n\nConfirm: deletions")


def naive(adopted: AdoptedHost, case: dict[str, Any]) -> str:
    """What `postfix check` says when somebody writes the case into main.cf and master.cf as it stands."""
    parameters = {"virtual_alias_maps": "lmdb:/tmp/naive/virtual", "transport_maps": "lmdb:/tmp/naive/transport"}
    if "tables/sender_transport" in case.get("files", {}):
        parameters["sender_dependent_default_transport_maps"] = "lmdb:/tmp/naive/sender_transport"
    parameters |= BROKEN["base"]["mail.yaml"]["parameters"] | case.get("parameters", {})
    lines = [f"{name} = {value}".replace("table:", "lmdb:/tmp/naive/") for name, value in parameters.items()]
    script = [
        "rm -rf /tmp/naive; cp -a /root/state.naive /tmp/naive; cd /tmp/naive",
        _appended("main.cf", "\n".join(lines)),
    ]
    for path, text in {**BROKEN["base"]["files"], **case.get("files", {})}.items():
        name = path.partition("/")[2]
        if path.startswith("master.d/"):
            script.append(_appended("master.cf", text))
        else:  # Debian has a folder named sasl
            script.append(f"rm -rf {name}; mkdir -p $(dirname {name}); {_appended(name, text)}; postmap lmdb:{name}")
    script.append("touch -d '1 minute ago' main.cf; postfix -c /tmp/naive check >/dev/null; echo $?")
    status = adopted.sh("\n".join(script)).rpartition("\n")[2]
    return "passes" if status == "0" else f"refuses ({status})"


def _appended(name: str, text: str) -> str:
    return f"printf '%s\\n' {shlex.quote(text.removesuffix(chr(10)))} >>{name}"


def noticed(finding: str) -> str:
    """Which stage found the cause: load, rule, postconf, rehearsal or flow."""
    named = re.search(r"\[([a-z-]+)\]$", finding)
    rule = named[1] if named else "NOBODY"
    if rule in REHEARSED or rule == "flow-fails":
        return "flow" if rule == "flow-fails" else "rehearsal"
    if rule in {"postconf", "postmap", "postalias", "postfix-check", "read-back"}:
        return "postconf"
    return "load" if any(rule in reader.EXPLAINED for reader in READERS) else "rule"


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[Row]]:
    """The rows of all cases; printed in the end."""
    rows: list[Row] = []
    yield rows
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n\n  {'case':<34} {'postfix check':<14} {'noticed by':<10} reconciler")
        for row in rows:
            print(f"  {row.case:<34} {row.check:<14} {row.by:<10} {row.said:.110}")


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    """A host that has adopted the base state, with a secret named relay and a foreign process on a port."""
    with AdoptedHost(state=state({}), adopt=False, daemon=False) as made:
        made.sh(AS_IN_THE_FIELD)
        made.host.start("python3", "-c", FOREIGN)
        made.host.start("smtp-sink", "-u", "nobody", "127.0.0.1:2525", "16")
        made.sh("cp -a /etc/postfix /root/state.naive")
        made.seal({"relay": "geheim\n"})
        made.git("add", ".", where=CLONE)
        made.git("commit", "--quiet", "--message", "A secret", where=CLONE)
        made.git("push", "--quiet", "origin", "HEAD:main", where=CLONE)
        made.host.run("reconciler", "once", "--adopt")
        made.start_daemon()
        yield made


@pytest.mark.parametrize(
    "case", cases([*BROKEN["cases"], *(case for case in FIELD_BROKEN if case["must"] == "refused")])
)
def test_a_broken_configuration_is_refused_for_its_own_cause_with_its_place(
    adopted: AdoptedHost, table: list[Row], case: dict[str, Any]
) -> None:
    before = adopted.live()
    pushed = push(adopted, case)
    findings = PLACE.findall(pushed.text)
    reasons = [finding for finding in findings if re.search(case["cause"], finding, re.IGNORECASE)]
    said = (reasons or findings or ["NOTHING"])[0]
    table.append(Row(case["name"], naive(adopted, case), noticed(said), said))
    assert not pushed.accepted, pushed.text
    assert reasons, pushed.text
    assert adopted.live() == before


@pytest.mark.parametrize(
    "case",
    cases([*HEALTHY["cases"], *FIELD_HEALTHY, *(case for case in FIELD_BROKEN if case["must"] == "warned")]),
)
def test_a_healthy_configuration_goes_live_with_its_warning_if_it_has_one(
    adopted: AdoptedHost, table: list[Row], case: dict[str, Any]
) -> None:
    pushed = push(adopted, case)
    if FROM_BEFORE in pushed.text:  # the case before took mail that this one refuses: what counts is the base state
        base = push(adopted, {"name": "the base state"})
        assert base.accepted, f"{pushed.text}\n{base.text}"
        pushed = push(adopted, case)
    findings = PLACE.findall(pushed.text)
    last = adopted.told()["last"]
    table.append(Row(case["name"], "", "healthy", f"{last['outcome']} {' '.join(findings)}"))
    assert pushed.accepted, pushed.text
    assert last["revision"] == pushed.oid
    assert last["outcome"] in ({"Applied", "Unchanged"} if case["name"] == "unchanged" else {"Applied"}), pushed.text
    assert adopted.answers()
    if case.get("must") == "warned":
        assert any("warning: " in finding and re.search(case["cause"], finding) for finding in findings), pushed.text
    elif "with" not in case and case not in FIELD_HEALTHY:
        assert findings == []
