"""The budget of a commit: each limit refuses with a lasting finding at its place, and what is within is accepted."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from reconciler.desired.budget import BoundedFindings, Budget
from reconciler.desired.lint import lint, mentioned
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import File, Where, limits, warning_at
from reconciler.model.errors import InvalidSource
from tests.unit.desired_states import desired, linted
from tests.unit.host_facts import HOST
from tests.unit.large_states import facts, tree, with_sites, with_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVICE = "x unix - - n - - smtp\n"
HOSTS = {f"hosts/{name}.yaml": "parameters: {a: b, c: d}\n" for name in ("mx2", "mx3", "mx4")}


@pytest.mark.parametrize(
    ("limit", "most", "files", "where", "what"),
    [
        ("ALL_VALUES", 30, {"flows/a.yaml": "k: {to: a@b, expect: accepted}\n" + "#\n" * 900}, "", ""),
        ("ALL_VALUES", 10, {"flows/a.yaml": "k: {to: a@b, expect: accepted}\n"}, "flows/a.yaml", "10 values in YAML"),
        ("MERGED_VALUES", 40, HOSTS, "", ""),
        ("MERGED_VALUES", 20, HOSTS, "hosts/mx4.yaml", "20 values in files of other hosts, each merged with mail.yaml"),
        ("SERVICES_BYTES", 40, {"master.d/a.cf": SERVICE}, "", ""),
        ("SERVICES_BYTES", 40, {"master.d/a.cf": SERVICE, "master.d/b.cf": SERVICE.replace("x", "y")},
         "master.d/b.cf", "40 bytes in master.d"),
        ("LINES", 9, {"tables/a": "a b\n" * 5}, "", ""),
        ("LINES", 9, {"tables/a": "a b\n" * 9}, "tables/a", "9 lines in tables"),
    ],
)  # fmt: skip
def test_a_commit_beyond_a_limit_is_refused_where_it_passes_it(
    monkeypatch: pytest.MonkeyPatch, limit: str, most: int, files: dict[str, str], where: str, what: str
) -> None:
    monkeypatch.setattr(limits, limit, most)
    if not what:
        assert desired(files=files)
        return
    with pytest.raises(InvalidSource) as raised:
        desired(files=files)
    (finding,) = raised.value.findings
    assert (finding.rule, finding.where.file, finding.lasting) == ("commit-too-large", where, True)
    assert finding.text == f"this commit has more than {what}; reduce or split it".replace("YAML;", "YAML files;")


def test_an_alias_of_yaml_counts_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALL_VALUES", 400)
    with pytest.raises(InvalidSource, match="more than 400 values in YAML files"):
        desired(files={"flows/a.yaml": "a: &x [" + "1, " * 99 + "1]\nb: [*x, *x, *x, *x]\n"})


def test_a_file_that_is_refused_has_cost_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALL_VALUES", 3000)
    files = {f"flows/{name}.yaml": "k: v\n" * 1500 for name in "abc"}  # a key twice, after all of it was parsed
    with pytest.raises(InvalidSource, match="more than 3000 values in YAML files"):
        desired(files=files)


@pytest.mark.parametrize("most", [2, 3])
def test_more_findings_than_the_limit_end_the_search(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(limits, "FINDINGS", most)
    state = desired({"mynetworks": "10.0.0.1/8", "disable_vrfy_command": "true", "mailbox_size_limit": "1G"})
    if most == 3:
        assert len(linted(state)) == 3
        return
    with pytest.raises(InvalidSource) as raised:
        linted(state)
    assert raised.value.findings[0].rule == "too-many-findings"
    assert raised.value.findings[0].text == (
        "this commit has more than 2 findings, and nothing is looked for beyond this one"
    )


def test_a_rule_ends_when_there_are_too_many_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FINDINGS", 5)
    made: list[int] = []

    def endless() -> Iterator[object]:
        while True:
            made.append(1)
            yield warning_at("w", Where("a"), "w")

    with pytest.raises(InvalidSource):
        BoundedFindings(Budget()).extend(endless())  # type: ignore[arg-type]
    assert len(made) == 6


def clock(step: float) -> Callable[[], float]:
    now = 0.0

    def read() -> float:
        nonlocal now
        now += step
        return now

    return read


def loaded(budget: Budget) -> object:
    return load({"mail.yaml": File.of(b"hostname: mx.test.example\n"), "tables/a": File.of(b"a b\n")}, "mx", {}, budget)


def judged(budget: Budget) -> object:
    state = desired()
    return lint(state, HOST, compose(state, HOST), budget)


@pytest.mark.parametrize("judge", [loaded, judged])
def test_processor_time_is_looked_at(judge: Callable[[Budget], object]) -> None:
    assert judge(Budget(clock(0.0))) is not None
    with pytest.raises(InvalidSource, match="this commit takes more than 60 s to judge") as raised:
        judge(Budget(clock(limits.SECONDS)))
    assert raised.value.findings[0].lasting


def test_the_clock_is_looked_at_as_often_as_something_was_taken() -> None:
    looked_at: list[float] = []

    def read() -> float:
        looked_at.append(0.0)
        return 0.0

    budget = Budget(read)
    for _ in range(4096):
        budget.take_lines([2], ["tables/a"])
    budget.take_lines([5001], ["tables/b"])
    assert 30 < len(looked_at) < 40


# ---- settings --------------------------------------------------------------------------------------------------------

GROWING = {"a0": "x" * 1000} | {f"a{level}": f"$a{level - 1}" * 10 for level in range(1, 4)}


def asked(parameters: dict[str, str], files: dict[str, str] | None = None) -> str:
    """Return why the settings are refused before any rule sees them; empty if they are not."""
    state = desired(parameters, files)
    try:
        mentioned(compose(state, HOST), HOST)
    except InvalidSource as error:
        return str(error)
    return ""


def test_values_are_bounded_together_with_all_names_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(GROWING) == ""
    monkeypatch.setattr(limits, "ALL_EXPANDED", 100_000)
    assert "100000 characters in values when all names are expanded; reduce or split it" in asked(GROWING)


def test_a_long_value_for_many_services_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "READ_BY_SERVICES", 40 * 5000)
    many = {"master.d/a.cf": "".join(f"x{number} unix - - n - - smtp\n" for number in range(100))}
    assert asked({"a": "x" * 4000}) == ""
    assert asked({}, many) == ""
    assert "which 12" in asked({"a": "x" * 4000}, many)
    assert "services may read, is too large; use a table" in asked({"a": "x" * 4000}, many)


def test_what_options_refer_to_counts_each_time_it_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALL_EXPANDED", 30_000)
    services = {"master.d/a.cf": "".join(f"x{one} unix - - n - - smtp\n  -o y=$a\n  -o z=b\n" for one in range(10))}
    for _ in range(2):
        assert asked({"a": "x" * 100}, services) == ""
        assert "master.d/a.cf:29:6: this commit has more than 30000" in asked({"a": "x" * 2900}, services)
        assert "mail.yaml:" in asked({"a": "x" * 30_000}, services)


def test_one_value_that_is_too_large_is_found_at_its_line() -> None:
    found = [one for one in linted(desired({"a": "x" * 300_000, "b": "$a"})) if one.rule == "value-too-large"]
    assert [one.text.partition(" ")[0] for one in found] == ["a", "b"]
    assert found[0].text == "a is longer than 262144 characters when its names are expanded; use a table"
    assert [one.rule for one in linted(desired({"smtpd_banner": "x" * 200_000}))] == []


def test_a_budget_is_for_one_commit() -> None:
    budget = Budget()
    budget.take_lines([limits.LINES // 2 + 1], ["tables/a"])
    with pytest.raises(InvalidSource):
        budget.take_lines([limits.LINES // 2 + 1], ["tables/b"])
    Budget().take_lines([limits.LINES // 2 + 1], ["tables/b"])


def test_ten_thousand_sites_are_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of the sites is, with a twentieth of each limit, as far as it grows with the sites."""
    for name in ("BYTES", "ENTRIES", "ALL_VALUES", "SERVICES_BYTES", "ALL_EXPANDED", "LINES", "READ_BY_SERVICES"):
        monkeypatch.setattr(limits, name, getattr(limits, name) // 20)
    files, host = with_sites(500), facts(500)
    files["mail.yaml"] += "  smtpd_recipient_restrictions: " + "reject_unauth_destination " * 160 + "\n"
    files |= {
        f"master.d/site{number}-x.cf": f"site{number}-x unix - - n - - smtp\n  -o smtp_helo_name=s{number}.example\n"
        for number in range(1, 501)
    }
    desired = load(tree(files), host.host, {})
    mentioned(compose(desired, host), host)
    folders = {str(folder) for path in files for folder in PurePosixPath(path).parents}
    assert len(files) + len(folders) <= limits.ENTRIES
    assert sum(map(len, files.values())) <= limits.BYTES


def test_a_table_of_two_million_entries_is_within_the_limits() -> None:
    row = len(with_table(1000)["tables/virtual"]) / 1000
    assert 2_000_000 * row <= limits.BYTES
    Budget().take_lines([2_000_001], ["tables/virtual"])
