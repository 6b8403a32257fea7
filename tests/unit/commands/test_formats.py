"""The findings of a check in the formats of code review."""

from __future__ import annotations

import json

from reconciler.commands.formats import github, gitlab, sarif
from reconciler.model import Where, error_at, warning_at

TYPO = error_at("unknown-parameter", Where("mail.yaml", 12, 5), 'unknown parameter "a,b": 100% wrong\nthere', "a")
DOUBT = warning_at("unused-table", Where("tables/a:b,c", 3), "nothing uses it")
OF_HOST = error_at("missing-file", Where("/etc/ssl/x.pem"), "is missing")


def test_github_reads_workflow_commands_with_its_own_escapes() -> None:
    assert github([TYPO, DOUBT, OF_HOST], "") == (
        '::error title=unknown-parameter,file=mail.yaml,line=12,col=5::unknown parameter "a,b": 100%25 wrong%0Athere\n'
        "::warning title=unused-table,file=tables/a%3Ab%2Cc,line=3,col=1::nothing uses it\n"
        "::error title=missing-file::/etc/ssl/x.pem:1:1: is missing\n"
    )
    assert github([], "") == ""


def test_a_folder_of_the_repository_is_part_of_the_path() -> None:
    assert "file=mx/mail.yaml," in github([TYPO], "mx")
    assert "file=" not in github([OF_HOST], "mx")
    assert json.loads(gitlab([TYPO], "mx"))[0]["location"]["path"] == "mx/mail.yaml"


def test_gitlab_reads_a_code_quality_report() -> None:
    report = json.loads(gitlab([TYPO, DOUBT], ""))

    assert report[0] == {
        "description": TYPO.text, "check_name": "unknown-parameter", "severity": "major",
        "fingerprint": report[0]["fingerprint"], "location": {"path": "mail.yaml", "lines": {"begin": 12}},
    }  # fmt: skip
    assert report[1]["severity"] == "minor"
    assert json.loads(gitlab([], "")) == []


def test_a_fingerprint_stays_when_lines_move_and_is_never_used_twice() -> None:
    moved = error_at(TYPO.rule, Where("mail.yaml", 13, 5), TYPO.text, TYPO.subject)
    (before,), (after, again, other) = (
        [one["fingerprint"] for one in json.loads(gitlab(findings, ""))] for findings in ([TYPO], [moved, TYPO, DOUBT])
    )

    assert before == after
    assert len({after, again, other}) == 3


def test_sarif_names_each_rule_once_with_its_explanation() -> None:
    log = json.loads(sarif([TYPO, DOUBT, TYPO, OF_HOST], "", {"unknown-parameter": "A parameter is set."}))
    (run,) = log["runs"]

    assert (log["version"], log["$schema"].rpartition("/")[2]) == ("2.1.0", "sarif-schema-2.1.0.json")
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["unknown-parameter", "unused-table", "missing-file"]
    assert rules[0]["fullDescription"] == {"text": "A parameter is set."}
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [one["ruleId"] for one in run["results"]]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "error", "error"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert places[0] == {"artifactLocation": {"uri": "mail.yaml"}, "region": {"startLine": 12, "startColumn": 5}}
    assert places[1]["artifactLocation"]["uri"] == "tables/a%3Ab%2Cc"
    assert places[3]["artifactLocation"]["uri"] == "file:///etc/ssl/x.pem"
