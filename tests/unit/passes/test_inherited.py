"""What is live is judged by what it was made from: its commit, an older one after a rollback, or its own files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.features.baseline import ALIASES, aliases_gone
from reconciler.model import Postponed, Refused, Where, errors_in
from reconciler.model.errors import CheckFailed, Incomplete
from reconciler.passes import judge as module
from reconciler.passes.check import Memory
from reconciler.passes.inherited import inherited
from reconciler.passes.judge import LiveCommit, judge, permit
from reconciler.passes.reconcile import reconcile
from reconciler.passes.understand import complete, understand
from reconciler.repository.secrets import encrypt, new_identity
from reconciler.repository.secrets import recipient as recipient_of
from reconciler.state.generations import Generations
from reconciler.state.source import Source, SourceKind
from tests.unit.adopted_folder import MAIL, Adopted, facts_are
from tests.unit.host_facts import HOST
from tests.unit.repositories import commit

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model import Finding, Revision

WRONG = "smtpd_recipient_restrictions: permit_mynetwork"
CERTIFICATE = "smtpd_tls_security_level: may, smtpd_tls_chain_files: /etc/ssl/gone.pem"
MORE = "parameters: {myorigin: test.example}\n"
RELAY = 'smart_host: {nexthop: "[192.0.2.1]:587", username: ada, password: !secret relay}\n'


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    facts_are(replace(HOST, files={**HOST.files, "/etc/ssl/gone.pem": False}), monkeypatch)
    new_identity(tmp_path / "identity")
    return Adopted.made_in(tmp_path, identity=tmp_path / "identity")


def with_parameters(parameters: str) -> str:
    return f"{MAIL}parameters: {{{parameters}}}\n"


def permitted(adopted: Adopted, revision: Revision) -> tuple[Finding, ...]:
    live = LiveCommit(adopted.edges)
    return permit(judge(revision, adopted.edges, live), live, adopted.edges.repo).findings


def make_live(adopted: Adopted, revision: Revision) -> None:
    adopted.go_live(judge(revision, adopted.edges, LiveCommit(adopted.edges)))


def with_secrets(adopted: Adopted, mail: str, *names: str, recipient: str = "") -> Revision:
    """Put a commit on the branch that brings these secrets, sealed to this host or to somebody else."""
    sealed = {
        f"secrets/{name}.age": encrypt(
            "a-secret-of-length-20", [recipient or recipient_of(adopted.edges.settings.identity)]
        ).decode()
        for name in names
    }
    return adopted.edges.repo.revision(commit(adopted.edges.repo.path, {"mail.yaml": mail, **sealed}))


# ---- what excuses an error ----


def test_an_error_of_the_files_from_before_adoption_is_reported_and_a_new_one_refuses(adopted: Adopted) -> None:
    main = adopted.edges.settings.config_directory / "main.cf"
    main.write_text("smtpd_tls_security_level = may\nsmtpd_tls_chain_files = /etc/ssl/gone.pem\n")

    found = permitted(adopted, adopted.commit(with_parameters(CERTIFICATE)))

    assert [one.rule for one in found if "what is live has the same error" in one.text] == ["missing-file"]
    with pytest.raises(CheckFailed, match="permit_mynetwork"):
        permitted(adopted, adopted.commit(with_parameters(f"{CERTIFICATE}, {WRONG}")))
    main.write_text("myhostname = mx.test.example\n")
    with pytest.raises(CheckFailed, match=r"gone\.pem"):
        permitted(adopted, adopted.commit(with_parameters(CERTIFICATE)))


def test_an_error_in_an_option_of_an_inherited_service_is_that_services(adopted: Adopted) -> None:
    folder = adopted.edges.settings.config_directory
    (folder / "master.cf").write_text("2525 inet n - n - - smtpd\n  -o smtpd_client_restrictions=permit_mynetwork\n")
    service = "services: {2525/inet: {command: smtpd, options: {smtpd_client_restrictions: permit_mynetwork}}}\n"

    assert not errors_in(permitted(adopted, adopted.commit(MAIL + service)))
    with pytest.raises(CheckFailed, match="permit_mynetwork"):
        permitted(adopted, adopted.commit(MAIL + service.replace("2525", "2526")))


def test_after_a_rollback_the_commit_that_is_live_again_excuses_what_it_has_too(adopted: Adopted) -> None:
    make_live(adopted, adopted.commit(with_parameters(WRONG)))
    first = adopted.edges.generations.live()
    assert first
    make_live(adopted, adopted.commit())
    edges, target = adopted.edges, first.owned()
    stage = edges.generations.stage(target, "pass", 1_000_000_000.0)
    back = edges.generations.place(stage, target, "", Source(SourceKind.ROLLBACK, number=first.number))
    edges.generations.switch(back)

    found = permitted(adopted, adopted.commit(with_parameters(f"{WRONG}, myorigin: test.example")))

    assert [one.rule for one in found if "what is live has the same error" in one.text] == ["unknown-restriction"]


def test_a_live_commit_that_is_in_the_repository_no_longer_is_judged_by_its_files(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_live(adopted, adopted.commit(with_parameters(WRONG)))
    monkeypatch.setattr(LiveCommit, "understood", None)

    assert not errors_in(permitted(adopted, adopted.commit(with_parameters(f"{WRONG}, myorigin: test.example"))))


def test_without_a_main_cf_nothing_is_live_that_could_excuse_an_error(adopted: Adopted) -> None:
    (adopted.edges.settings.config_directory / "main.cf").unlink()
    assert LiveCommit(adopted.edges).judged_by is None


def test_a_check_beside_the_hosts_own_state_is_excused_by_nothing(adopted: Adopted, tmp_path: Path) -> None:
    folder, host = tmp_path / "plain", adopted.edges.host
    folder.mkdir()
    (folder / "main.cf").write_text("myhostname = mx.test.example\n")
    beside = replace(adopted.edges, generations=Generations(tmp_path / "scratch", folder, host, tmp_path / "backup"))
    assert LiveCommit(beside).judged_by is None
    own = replace(adopted.edges.settings, state=tmp_path / "scratch")
    assert LiveCommit(replace(beside, settings=own)).judged_by


def test_inherited_tables_are_read_from_the_configuration_directory(adopted: Adopted) -> None:
    folder = adopted.edges.settings.config_directory
    (folder / "main.cf").write_text(
        "virtual_alias_maps = hash:/etc/postfix/virtual\nalias_maps = hash:$config_directory/aliases, hash:/etc/more\n"
        "header_checks = regexp:/etc/postfix/gone\n"
    )
    (folder / "virtual").write_text("ada@test.example ada\n")
    (folder / "aliases").write_text("root: ada\n")
    assert inherited(adopted.edges, HOST)[1].tables == {}  # Postfix reads their maps
    for name in ("virtual.db", "aliases.db"):
        (folder / name).touch()

    desired, settings = inherited(adopted.edges, HOST)

    assert {name: (table.type, table.compiler) for name, table in settings.tables.items()} == {
        "virtual": ("hash", "postmap"), "aliases": ("hash", "postalias"),
    }  # fmt: skip
    assert desired.tables["virtual"].source == b"ada@test.example ada\n"


# ---- what can't be made ----


def test_a_commit_is_postponed_while_the_identity_that_opened_its_secrets_is_gone(adopted: Adopted) -> None:
    make_live(adopted, with_secrets(adopted, MAIL + RELAY, "relay"))
    revision = with_secrets(adopted, MAIL + RELAY + MORE, "relay")
    adopted.edges.settings.identity.unlink()

    outcome = reconcile(revision, adopted.edges, Memory())

    assert isinstance(outcome, Postponed)
    assert "secret relay can't be opened: no identity in" in outcome.reason
    assert f"restore {adopted.edges.settings.identity}" in outcome.reason


def test_the_live_commit_itself_is_postponed_as_well(adopted: Adopted) -> None:
    revision = with_secrets(adopted, MAIL + RELAY, "relay")
    make_live(adopted, revision)
    adopted.edges.settings.identity.unlink()

    assert isinstance(reconcile(revision, adopted.edges, Memory()), Postponed)


def test_another_identity_that_opens_nothing_postpones_too(adopted: Adopted) -> None:
    make_live(adopted, with_secrets(adopted, MAIL + RELAY, "relay"))
    revision = with_secrets(adopted, MAIL + RELAY + MORE, "relay")
    adopted.edges.settings.identity.unlink()
    new_identity(adopted.edges.settings.identity)

    outcome = reconcile(revision, adopted.edges, Memory())

    assert isinstance(outcome, Postponed)
    assert "is not encrypted to this host" in outcome.reason


def test_a_new_secret_that_is_sealed_to_somebody_else_is_the_authors_fault(adopted: Adopted, tmp_path: Path) -> None:
    make_live(adopted, adopted.commit())
    revision = with_secrets(adopted, MAIL + RELAY, "relay", recipient=new_identity(tmp_path / "other"))

    outcome = reconcile(revision, adopted.edges, Memory())

    assert isinstance(outcome, Refused)
    assert [one.rule for one in outcome.findings] == ["secret-not-opened"]


def test_a_secret_that_nothing_refers_to_is_excused_as_before(adopted: Adopted, tmp_path: Path) -> None:
    other = new_identity(tmp_path / "other")
    make_live(adopted, with_secrets(adopted, MAIL, "unused", recipient=other))

    found = permitted(adopted, with_secrets(adopted, MAIL + MORE, "unused", recipient=other))

    assert [one.rule for one in found if "what is live has the same error" in one.text] == ["secret-not-opened"]


def test_a_commit_that_needs_the_secret_no_longer_goes_live(adopted: Adopted) -> None:
    make_live(adopted, with_secrets(adopted, MAIL + RELAY, "relay"))
    adopted.edges.settings.identity.unlink()

    assert not errors_in(permitted(adopted, adopted.commit()))


def test_a_companion_whose_package_is_gone_postpones(adopted: Adopted, monkeypatch: pytest.MonkeyPatch) -> None:
    mail = MAIL + "sender_rewriting: {secrets: [!secret srs]}\nparameters: {mydestination: mx.test.example}\n"
    facts_are(replace(HOST, packages={"postsrsd": "2.0.11-1"}), monkeypatch)
    make_live(adopted, with_secrets(adopted, mail, "srs"))
    facts_are(HOST, monkeypatch)
    revision = with_secrets(adopted, mail + "smart_host: {nexthop: '[192.0.2.1]:25'}\n", "srs")

    outcome = reconcile(revision, adopted.edges, Memory())

    assert isinstance(outcome, Postponed)
    assert "apt install postsrsd" in outcome.reason


def test_the_hosts_aliases_do_not_leave_what_is_live_because_their_compiled_file_is_gone(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_live(adopted, adopted.commit())
    facts_are(replace(HOST, files={ALIASES: False}), monkeypatch)

    with pytest.raises(Incomplete, match="newaliases"):
        permitted(adopted, adopted.commit(with_parameters("myorigin: test.example")))
    assert not errors_in(permitted(adopted, adopted.commit(with_parameters("alias_maps: ''"))))


def test_what_is_made_of_a_commit_elsewhere_needs_its_secrets_too(adopted: Adopted) -> None:
    revision = with_secrets(adopted, MAIL + RELAY, "relay")
    assert complete(understand(revision, adopted.edges)).desired.secrets
    adopted.edges.settings.identity.unlink()
    with pytest.raises(Incomplete, match="secret relay"):
        complete(understand(revision, adopted.edges))


def test_a_site_is_not_left_out_because_of_what_the_host_has_lost(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = aliases_gone(Where("sites/site12/site.yaml"))
    make_live(adopted, adopted.commit())
    monkeypatch.setattr(module, "_lost_aliases", lambda *_: lost)
    files = {"mail.yaml": MAIL, "sites/site12/site.yaml": "domains: [twelve.example]\n"}
    revision = adopted.edges.repo.revision(commit(adopted.edges.repo.path, files))

    assert isinstance(reconcile(revision, adopted.edges, Memory()), Postponed)
