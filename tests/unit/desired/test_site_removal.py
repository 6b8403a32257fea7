"""What leaves with a site, and what never does."""

from __future__ import annotations

import pytest

from reconciler.desired.site_removal import Removal, confirmed_rows, removal, site_named, sites_of
from reconciler.model import File
from reconciler.model.errors import UnsafePlan
from reconciler.repository.git import trailers_in
from reconciler.trees.plan import diff, raise_if_unsafe

SITE = "domains: [{0}.example, shared.example]\ndelivery: {{address: 192.0.2.1, helo: {0}.example}}\n"
FILES = {
    "mail.yaml": "hostname: mx.test.example\n",
    "sites/site1/site.yaml": SITE.format("one"),
    "sites/site1/tables/virtual": "a@one.example root\n",
    "sites/site12/site.yaml": SITE.format("twelve"),
    "sites/site12/tables/virtual": "a@twelve.example root\n# why\nb@twelve.example\n   root\n",
    "master.d/site1-a.cf": "one-bulk unix - - n - - smtp\n",
    "master.d/site12-a.cf": "bulk unix - - n - - smtp\nrelaylim unix - - n - - smtp\n",
    "master.d/site12.cf": "",
    "master.d/ip-relay.cf": "",
    "secrets/site1-x.age": "", "secrets/site12-x.age": "", "secrets/other.age": "",
    "flows/site12-x.yaml": "",
    "tables/transport": """\
# site12 and others
twelve.example      smtp:[inside.example]
.Twelve.example     smtp:[inside.example]
one.example         one-bulk:
far.example         bulk:[relay.example]:25
  # aside
near.example        site1-out:
other.example       smtp:bulk
shared.example      smtp:[inside.example]
twelve.example.org  relaylim:
last.example
    site12-out:
""",
    "tables/sender_transport": "boss@twelve.example relaylim:\n@far.example site12-out:\n",
    "tables/virtual": "c@twelve.example bob@one.example\nbob@one.example c@twelve.example\n",
    "tables/tls_policy": "twelve.example may\n",
    "tables/routes": "twelve.example smtp:\n",
    "tables/transport_old.pcre": "/twelve\\.example/ bulk:\n",
}  # fmt: skip


def leaving(site: str, files: dict[str, str] | None = None) -> Removal:
    return removal({path: File.of(text.encode()) for path, text in (files or FILES).items()}, site)


def test_all_of_a_site_leaves_and_nothing_of_another() -> None:
    gone = leaving("site12")
    assert [path for path, content in gone.files.items() if content is None] == [
        "flows/site12-x.yaml", "master.d/site12-a.cf", "secrets/site12-x.age", "sites/site12/site.yaml",
        "sites/site12/tables/virtual",
    ]  # fmt: skip
    assert (
        gone.files["tables/transport"]
        == b"""\
# site12 and others
one.example         one-bulk:
  # aside
near.example        site1-out:
other.example       smtp:bulk
shared.example      smtp:[inside.example]
twelve.example.org  relaylim:
"""
    )
    assert gone.files["tables/sender_transport"] == b""
    assert gone.files["tables/virtual"] == b"bob@one.example c@twelve.example\n"
    assert gone.files.keys().isdisjoint({"tables/tls_policy", "tables/routes", "tables/transport_old.pcre"})
    assert [path for path in leaving("site1").files if "12" in path] == []
    assert not leaving("site2").files
    assert list(sites_of({path: File.of(b"") for path in FILES})) == ["site1", "site12"]


def test_the_message_lists_rows_and_confirms_their_deletion_by_number() -> None:
    gone = leaving("site12")
    assert "  tables/transport: last.example site12-out:\n" in gone.body
    assert confirmed_rows(trailers_in(f"Remove site12\n\n{gone.body}")) == {
        "transport": 4, "sender_transport": 2, "virtual": 3, "site_transport": 1
    }  # fmt: skip
    spoofed = leaving(
        "site1", {"sites/site1/site.yaml": SITE.format("one"), "tables/virtual": "a@one.example Confirm:\n"}
    )
    assert trailers_in(spoofed.body) == ("Confirm: 2 deletions in site_transport", "Confirm: 1 deletion in virtual")


def test_a_site_whose_change_was_left_out_leaves_with_what_is_live_of_it() -> None:
    broken = FILES | {
        "sites/site12/site.yaml": "domains: [\n",
        "sites/site12/tables/virtual": "a@twelve.example root\n",
    }
    files, live = ({path: File.of(text.encode()) for path, text in one.items()} for one in (broken, FILES))
    own = {path: file for path, file in live.items() if "site12" in path}
    assert removal(files, "site12", own).deleted == leaving("site12").deleted
    assert removal(files, "site12", own).rows == leaving("site12").rows
    assert removal(files, "site12").deleted != leaving("site12").deleted


def test_confirmed_rows_are_no_more_than_their_number() -> None:
    live = {"transport": File.of(b"".join(b"%d.example smtp:\n" % n for n in range(20)))}
    target = {"transport": File.of(b"".join(b"%d.example smtp:\n" % n for n in range(10)))}
    plan = diff(live, target)
    raise_if_unsafe(
        plan,
        confirmed=False,
        rows=confirmed_rows(["Confirm: 3 deletions in transport", "Confirm: 1 deletion in transport"]),
    )
    for said in (
        [],
        ["Confirm: 3 deletions in transport"],
        ["Confirm: 9 deletions in virtual"],
        ["Confirm: all deletions in transport"],
    ):
        with pytest.raises(UnsafePlan):
            raise_if_unsafe(plan, confirmed=False, rows=confirmed_rows(said))


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("12", "site12"), ("site12", "site12"), ("012", None), ("site", None), ("", None), ("../site1", None),
        ("site12-x", None), ("12\n", None), ("-1", None), ("0", None), ("sitesite1", None), ("1" * 10, None),
        ("\u0661", None),
    ],
)  # fmt: skip
def test_a_site_is_named_by_its_number(text: str, site: str | None) -> None:
    assert site_named(text) == site


def test_what_can_not_be_read_takes_nothing_along() -> None:
    for said in ("domains: [", "domains: 7\n", "domains: [example, '', {a: b}]\n", "- a\n"):
        files = {"sites/site1/site.yaml": said, "tables/virtual": "a@example root\nb@b.example root\n"}
        assert list(leaving("site1", files).files) == ["sites/site1/site.yaml"]
