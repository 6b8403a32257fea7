"""The configuration corpus, so far as loading and the rules decide it; e2e decides the rest."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from reconciler.desired.lint import mentioned
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import File, Finding, Place, PlaceUse, Secret, errors_in
from reconciler.model.errors import InvalidSource
from tests.unit.desired_states import linted
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from reconciler.model import Desired, Facts

CORPUS = Path(__file__).parent.parent / "corpus"
BROKEN = yaml.load((CORPUS / "broken.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
HEALTHY = yaml.load((CORPUS / "healthy.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
FIELD_BROKEN, FIELD_HEALTHY, INSTALLED = (
    yaml.load((CORPUS / f"field-{kind}.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)["cases"]
    for kind in ("broken", "healthy", "healthy-installed")
)
# Further cases of the same classes: another parameter, program or spelling, and what is healthy beside each.
FIELD_BROKEN, FIELD_HEALTHY = (
    listed + yaml.load((CORPUS / f"field-{kind}-more.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)["cases"]
    for kind, listed in (("broken", FIELD_BROKEN), ("healthy", FIELD_HEALTHY))
)
MOST_TOLD = 9  # warnings about one healthy configuration
# Cases that no rule catches yet; a case that is caught must leave this set.
NOT_YET: set[str] = set()
FOUND: dict[str, list[Finding]] = {}


def cases(*lists: list[dict[str, Any]]) -> list[Any]:
    """The cases as parameters of a test; those of NOT_YET must fail."""
    strict = pytest.mark.xfail(strict=True, reason="no rule catches it yet")
    every = [case for one in lists for case in one]
    return [pytest.param(case, id=case["name"], marks=[strict] * (case["name"] in NOT_YET)) for case in every]


def decided_here(case: dict[str, Any]) -> bool:
    return case.get("by") in {"load", "rule"} and case.get("with") != "rehearsal"


def findings_about(case: dict[str, Any]) -> list[Finding]:
    """Return what is found in the base state with the case's change; several tests look at one case."""
    key = repr(case)
    if key not in FOUND:
        FOUND[key] = judged(case)
    return FOUND[key]


def judged(case: dict[str, Any]) -> list[Finding]:
    """Load and lint the base state with the case's change."""
    return found_in(tree_of(case))


def tree_of(case: dict[str, Any]) -> dict[str, File]:
    """Return the files of the base state with the case's change."""
    mail = dict(BROKEN["base"]["mail.yaml"])
    mail["parameters"] = mail["parameters"] | case.get("parameters", {})
    files: dict[str, str | None] = {"mail.yaml": yaml.safe_dump(mail, sort_keys=False)}
    files |= BROKEN["base"]["files"]
    files |= {"secrets/relay.age": "sealed"}
    files |= case.get("files", {})
    for path, text in case.get("append", {}).items():
        files[path] = (files[path] or "") + text
    return {path: File.of(text.encode()) for path, text in files.items() if text is not None}


def found_in(tree: dict[str, File], host: Facts = HOST) -> list[Finding]:
    """Load and lint a state on a host."""
    try:
        desired = load(tree, "mx.test.example", {"relay": Secret("relay", "geheim")})
    except InvalidSource as error:
        return list(error.findings)
    return linted(desired, host_of(desired, host))


def host_of(desired: Desired, host: Facts) -> Facts:
    """The host of the corpus: nothing listens on two ports, 20 GiB are free, /srv has no folder, /var/opt is root's."""
    missing = dict.fromkeys(("/etc/ssl/nosuch.pem", "/etc/ssl/nosuch.key"), False)
    known = replace(host, files={"/etc/aliases.db": True} | missing)
    asked = mentioned(compose(desired, known), known)
    return replace(
        known,
        answers={server: "connection refused" for server in asked.servers if server.port in {3999, 8461}},
        spaces={space: "" if space.bytes < 20 << 30 else "only 20,480 MiB are free" for space in asked.spaces},
        accesses={use: "no such file or directory" if use.path.startswith("/srv/") else "" for use in asked.accesses},
        places={Place("/var/opt", "postfix", PlaceUse.FOLDER): "postfix can't use it (root:root, mode 0755)"},
    )


@pytest.mark.parametrize(
    "case",
    cases(
        [case for case in BROKEN["cases"] if decided_here(case)],
        [case for case in FIELD_BROKEN if decided_here(case) and case["must"] == "refused"],
    ),
)
def test_a_broken_configuration_is_refused_for_its_own_reason(case: dict[str, Any]) -> None:
    errors = errors_in(findings_about(case))
    reasons = [
        finding for finding in errors if re.search(case["cause"], f"{finding.text} {finding.where}", re.IGNORECASE)
    ]
    assert reasons, [str(finding) for finding in errors]
    assert all(finding.where.file and finding.where.line for finding in errors)


@pytest.mark.parametrize("case", cases(HEALTHY["cases"], FIELD_HEALTHY, INSTALLED))
def test_a_healthy_configuration_is_never_refused(case: dict[str, Any]) -> None:
    assert errors_in(findings_about(case)) == []


@pytest.mark.parametrize(
    "case",
    cases(
        [case for case in HEALTHY["cases"] if case.get("must") == "warned" and not case.get("with")],
        [case for case in FIELD_BROKEN if case["must"] == "warned"],
    ),
)
def test_a_doubtful_configuration_is_told_of(case: dict[str, Any]) -> None:
    found = findings_about(case)
    assert any(re.search(case["cause"], f"{finding.text} {finding.where}", re.IGNORECASE) for finding in found), found
    assert errors_in(found) == []


@pytest.mark.parametrize(
    ("parameters", "files", "many"),
    [
        ({"smtpd_recipient_restrictions": "check_policy_service private/policy, reject"}, {}, 1),
        ({}, {"master.d/x.cf": "ipr unix - - n - - smtp\n  -o smtp_helo_name = foo.example\n"}, 1),
        ({"virtual_mailbox_domains": "m.example", "virtual_mailbox_base": "/var/mail"}, {}, 1),
        ({"mynetworks": "127.0.0.1/8, 192.168.1.1/24"}, {}, 2),
    ],
)
def test_one_cause_gives_one_error(parameters: dict[str, str], files: dict[str, str], many: int) -> None:
    errors = errors_in(findings_about({"parameters": parameters, "files": files}))
    assert len(errors) == many, [str(error) for error in errors]


def test_a_host_of_many_years_is_not_told_of_everything() -> None:
    told = {case["name"]: len(findings_about(case)) for case in INSTALLED}
    assert {name: many for name, many in told.items() if many > MOST_TOLD} == {}
    assert sum(told.values()) <= len(told) * 2


def test_no_finding_of_the_corpus_is_at_the_first_character_of_all() -> None:
    for case in [*BROKEN["cases"], *HEALTHY["cases"], *FIELD_BROKEN, *FIELD_HEALTHY, *INSTALLED]:
        assert not [str(one) for one in findings_about(case) if str(one.where) == "mail.yaml:1:1"], case["name"]


@pytest.mark.parametrize("case", cases([case for case in FIELD_HEALTHY if "quiet" in case]))
def test_a_near_miss_gets_no_warning_of_that_rule(case: dict[str, Any]) -> None:
    assert [str(one) for one in findings_about(case) if re.fullmatch(case["quiet"], one.rule)] == []
