"""What sender_rewriting makes of its section, for PostSRSd 1 and 2, and what it refuses."""

from __future__ import annotations

import json

import pytest

from reconciler.desired.lint import lint
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.host.settings import shipped
from reconciler.model import Contribution, Desired, Facts, File, Listener, Secret
from reconciler.model.errors import InvalidSource
from reconciler.trees.plan import diff
from reconciler.trees.render import render
from tests.unit.desired_states import HEALTHY
from tests.unit.host_facts import facts

ONE = facts(packages={"postsrsd": "1.10-2"})
TWO = facts(packages={"postsrsd": "2.0.11-1"})
SIGNS, OLD = "s" * 24, "o" * 24
SRS = "sender_rewriting: {secrets: [!secret srs, !secret old]}\n"
TABLES = {
    "tables/virtual": "hosted.example -\nbea@other.example bea@far.example\n",
    "tables/relay_domains": "r.example x\n",
}
DEFAULT = """\
SRS_DOMAIN=mx.test.example
SRS_EXCLUDE_DOMAINS=hosted.example,mx.test.example,other.example,r.example,v.example
SRS_SEPARATOR==
SRS_SECRET=/etc/postsrsd.secret
SRS_HASHLENGTH=8
SRS_HASHMIN=4
SRS_FORWARD_PORT=10001
SRS_REVERSE_PORT=10002
SRS_LISTEN_ADDR=127.0.0.1
RUN_AS=postsrsd
CHROOT=/var/lib/postsrsd
"""
CONF = """\
srs-domain = "mx.test.example"
domains = { "hosted.example", "mx.test.example", "other.example", "r.example", "v.example" }
separator = "="
secrets-file = "/etc/postsrsd.secret"
hash-length = 8
hash-minimum = 4
socketmap = "unix:/var/spool/postfix/srs"
unprivileged-user = "postsrsd"
chroot-dir = "/var/lib/postsrsd"
"""


def state(section: str = SRS, signs: str = SIGNS, files: dict[str, str] | None = None, **more: str) -> Desired:
    mail = f"hostname: mx.test.example\nparameters: {json.dumps(HEALTHY | more)}\n{section}"
    sealed = {f"secrets/{name}.age": "age-encryption.org/v1\n" for name in ("srs", "old")}
    texts = {"mail.yaml": mail, **sealed, **(TABLES if files is None else files)}
    secrets = {"srs": Secret("srs", signs), "old": Secret("old", OLD)}
    return load({path: File.of(text.encode()) for path, text in texts.items()}, "mx.test.example", secrets)


def composed(section: str = SRS, known: Facts = ONE, signs: str = SIGNS) -> Contribution:
    return compose(state(section, signs), known)


def told(rule: str, section: str = SRS, known: Facts = ONE, signs: str = SIGNS, **more: str) -> list[str]:
    desired = state(section, signs, None, **more)
    return [str(one) for one in lint(desired, known, compose(desired, known)) if one.rule == rule]


def test_version_1_is_asked_by_tcp_and_reads_what_debian_sources() -> None:
    merged = composed()
    assert merged.parameters["sender_canonical_maps"].value == "tcp:127.0.0.1:10001"
    assert merged.parameters["sender_canonical_classes"].value == "envelope_sender"
    files = merged.companions["postsrsd"].files
    assert files["default"].read().decode() == DEFAULT
    assert (files["secret"].read().decode(), files["secret"].mode) == (f"{SIGNS}\n{OLD}\n", 0o600)


def test_version_2_is_asked_by_socketmap_and_has_a_file_of_its_own() -> None:
    merged = composed(known=TWO)
    assert merged.parameters["recipient_canonical_maps"].value == "socketmap:unix:/var/spool/postfix/srs:reverse"
    assert merged.companions["postsrsd"].files["postsrsd.conf"].read().decode() == CONF


@pytest.mark.parametrize("section", ["", "sender_rewriting: {enabled: no, key: !secret srs}\n"])
def test_off_it_contributes_nothing(section: str) -> None:
    merged = composed(section)
    assert not merged.companions
    assert "sender_canonical_maps" not in merged.parameters
    assert "cleanup-sendmail/unix" not in merged.services


def test_a_table_of_ones_own_is_asked_first_and_told_that_it_changes_no_headers() -> None:
    own = state(files={"tables/sender_canonical": "a@v.example b@v.example\n", **TABLES})
    merged = compose(own, ONE)
    mine = "lmdb:$config_directory/sender_canonical"
    assert merged.parameters["sender_canonical_maps"].value == f"{mine}, tcp:127.0.0.1:10001"
    (cleanup,) = [one for one in merged.entries if one.name == "cleanup-sendmail"]
    assert [one.value for one in cleanup.overrides] == [mine]
    assert [one.rule for one in lint(own, ONE, merged)].count("from-not-rewritten") == 1


def test_domains_of_sites_are_never_rewritten() -> None:
    desired = state(files={"sites/site12/site.yaml": "domains: [shop.example]\n"})
    default = compose(desired, ONE).companions["postsrsd"].files["default"].read()
    assert b"SRS_EXCLUDE_DOMAINS=mx.test.example,shop.example,v.example\n" in default


def test_mail_from_sendmail_takes_a_cleanup_that_rewrites_nothing() -> None:
    services = {one.key: one for one in composed().entries}
    assert [str(one.value) for one in services["pickup/unix"].overrides] == ["cleanup-sendmail"]
    assert [(one.name, one.value) for one in services["cleanup-sendmail/unix"].overrides] == [
        ("sender_canonical_maps", "")
    ]


def test_what_is_wrong_is_refused_with_what_helps() -> None:
    assert "reconciler secret set srs" in told("no-srs-secret", "sender_rewriting: {}\n")[0]
    assert "apt install postsrsd" in told("missing-package", known=facts())[0]
    assert told("weak-srs-secret", signs="short")
    assert told("weak-srs-secret", signs="two words of a secret that is long")
    elsewhere = "sender_rewriting: {domain: srs.example, key: !secret srs}\n"
    assert 'does not accept mail for "srs.example"' in told("no-way-back-to-sender", elsewhere)[0]
    assert not told("no-way-back-to-sender", elsewhere, mydestination="mx.test.example, srs.example")
    assert told("srs-not-asked", sender_canonical_maps="")
    taken = facts(listeners=(Listener("127.0.0.1", 10001, "nc", ours=False),), packages=ONE.packages)
    assert "already taken by nc" in told("srs-port-taken", known=taken)[0]
    assert not told("srs-port-taken")


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ("{domain: 'x; rm -rf /'}", "not a domain"),
        ("{exclude: ['$(id).example']}", "not a domain"),
        ("{key: plain}", "stay in the history"),
        ("{key: !secret srs, secrets: [!secret old]}", "write one of the two"),
        ("{secret: !secret srs}", "did you mean"),
    ],
)
def test_bad_input_is_refused_with_its_place(section: str, text: str) -> None:
    with pytest.raises(InvalidSource) as caught:
        state(f"sender_rewriting: {section}\n")
    (finding,) = caught.value.findings
    assert text in str(finding)
    assert finding.where.line == 3


def test_a_plan_shows_its_lines_but_never_a_secret() -> None:
    root = shipped("templates")
    templates = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*.j2")}
    before, after = (render(composed(known=ONE, signs=secret), templates) for secret in (SIGNS, "n" * 24))
    (change,) = diff(before, after).changes
    assert (change.what, change.before, change.after) == ("../postsrsd/secret", "(secret)", "(secret)")
    more = render(composed("sender_rewriting: {key: !secret srs, exclude: [more.example]}\n"), templates)
    shown = [one for one in diff(before, more).changes if one.what == "../postsrsd/default"]
    assert [one.after for one in shown] == [DEFAULT.splitlines()[1].replace("mx.", "more.example,mx.", 1)]
