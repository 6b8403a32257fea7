"""The offers of a commit: what it could say shorter, or by a section, each proven to mean the same.

Promises: only commit_offer() changes anything outside of a temporary folder, and that is the branch. No password is in
what is returned, except sealed in a file, and in a value that no representation shows. Raises OSError, CommandFailed
for a program that hangs, and InvalidSource if the commit itself can't be read.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.desired.load import load
from reconciler.desired.offers import OFFERS, dkim, opendkim, rspamd
from reconciler.desired.offers.offer import Ground, NotOffered, is_shared, saved
from reconciler.features.composition import compose
from reconciler.features.sender_rewriting import is_new
from reconciler.host.programs import postmap
from reconciler.model import File, Secret
from reconciler.model.ascii_text import split_words
from reconciler.model.errors import WithFindings
from reconciler.passes.offer_proof import Stages
from reconciler.passes.propose import Proposal, Proposed, propose
from reconciler.passes.survey import shipped_comments
from reconciler.passes.understand import facts_here
from reconciler.postfix.references import SUFFIXES, own_name, tables_of
from reconciler.postfix.scopes import Scope
from reconciler.repository import secrets
from reconciler.trees.equality import with_effects
from reconciler.trees.plan import diff
from reconciler.trees.render import MASTER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from reconciler.apply.edges import Edges
    from reconciler.desired.offers.offer import Offer
    from reconciler.host.effects import Host
    from reconciler.model import Contribution, Facts, Plan, Tree
    from reconciler.passes.offer_proof import Rendered
    from reconciler.passes.proof import Line

_PROVEN = "`reconciler import` proved with Postfix's own programs that it means the same"
_SRS = (Path("/etc/default/postsrsd"), Path("/etc/postsrsd.secret"))
_LOGINS = "smtp_sasl_password_maps"
_FILES_OF = {"opendkim": opendkim.named, "rspamd": rspamd.named}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """An *offer* by its name, with the *files* that its commit changes, its own *plan*, and the *proof* of it.

    *saves* is how many lines fewer the commit has. *problem* says why it can't be made, whatever the proof says.
    """

    name: str
    offer: Offer
    files: Mapping[str, bytes | None]
    saves: int
    proof: tuple[Line, ...] = ()
    plan: Plan | None = None
    problem: str = ""

    @property
    def is_equal(self) -> bool:
        """Return whether the result means the same."""
        return not self.problem and bool(self.proof) and all(line.holds for line in self.proof)

    @property
    def why_not(self) -> str:
        """Why it is not equal; empty if it is."""
        differences = (f"{line.what}: {line.differences[0]}" for line in self.proof if not line.holds)
        return self.problem or next(differences, "")


@dataclass(frozen=True, slots=True)
class Stays:
    """What no offer is made of, by the *name* of the offer, and *why*."""

    name: str
    why: str


def offers(files: Tree, directory: Path, edges: Edges, names: Collection[str] = OFFERS) -> Iterator[Proven | Stays]:
    """Yield the offers of these names for a commit's files, in the order of OFFERS, proven or not, and what stays.

    *directory* is the configuration directory that the commit was made from, and has all files that it does not hold.
    """
    if is_shared(files):
        return
    ground = _ground(files, directory, edges)
    found = {name: offer for name in OFFERS if name in names and (offer := OFFERS[name].find(ground))}
    if not found:
        return
    with tempfile.TemporaryDirectory(prefix="reconciler-offers-") as scratch:
        stages = Stages(directory, Path(scratch), edges.host, ground.facts)
        before = stages.of("before", ground.origin, edges.templates)
        for name, offer in found.items():
            if isinstance(offer, NotOffered):
                yield Stays(name, offer.why)
            else:
                yield _proven(name, offer, _Proof(ground, before, stages, edges))


# ---- what an offer is found in ---------------------------------------------------------------------------------------


def _ground(files: Tree, directory: Path, edges: Edges) -> Ground:
    facts = facts_here(edges)
    desired = load(files, edges.settings.host, secrets.open_secrets(files, edges.settings.identity)[0])
    origin = compose(desired, facts)
    is_copy = directory != edges.settings.config_directory
    is_srs = not is_copy and not is_new(facts) and all(path.is_file() for path in _SRS)
    return Ground(
        files=files, desired=desired, origin=origin, facts=facts, shipped=shipped_comments(directory, MASTER),
        logins=_logins(Scope(origin, facts), directory, edges.host, is_copy=is_copy),
        postsrsd=_SRS[0].read_text("utf-8", "replace") if is_srs else None,
        srs_secrets=Secret("srs", _SRS[1].read_text("utf-8", "replace")) if is_srs else None,
        signer=None if is_copy else _signer(origin, facts, edges.host),
    )  # fmt: skip


def _signer(origin: Contribution, facts: Facts, host: Host) -> Mapping[str, Secret] | None:
    """Return the files of the program that may sign, by their paths; for rspamd, its settings as it says them, too."""
    program = next((name for _, name in dkim.asks(origin, facts)), "")
    if program not in _FILES_OF or (program == "rspamd" and program not in facts.packages):
        return None
    read: dict[str, Secret] = {}
    for part in (rspamd.SETTINGS, rspamd.OPTIONS) if program == "rspamd" else ():
        read[part] = Secret(part, host.run(("rspamadm", "configdump", "-j", part)).stdout)
    while new := {path for name in _FILES_OF[program](read) for path in _found(name)} - read.keys():
        read |= {path: Secret(path, Path(path).read_text("utf-8", "replace")) for path in new}
    return read or None


def _found(pattern: str) -> list[str]:
    return [path for path in glob(pattern) if Path(path).is_file()]  # noqa: PTH207 - Path refuses some patterns


def _logins(main: Scope, directory: Path, host: Host, *, is_copy: bool) -> Secret | None:
    """Return the rows of the only table of logins; none of a copy if the table is elsewhere on its host."""
    written = main.merged.parameters.get(_LOGINS)
    named = tables_of(main, written) if written else []
    if not written or len(named) != 1 or named[0].type not in SUFFIXES or len(split_words(written.value)) != 1:
        return None
    name = own_name(named[0].name, main.facts.directory)
    if is_copy and not name:
        return None
    path = directory / name if name else named[0].name
    return Secret(_LOGINS, "\n".join(postmap.rows(host, f"{named[0].type}:{path}")))


# ---- the proof -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Proof:
    """What all proofs of a commit's offers share."""

    ground: Ground
    before: Rendered
    stages: Stages
    edges: Edges


def _proven(name: str, offer: Offer, proof: _Proof) -> Proven:
    ground, before = proof.ground, proof.before
    files, problem = _sealed(offer, ground.files)
    result = Proven(name=name, offer=offer, files=files, saves=saved(ground.files, files), problem=problem)
    if problem:
        return result
    kept = {path: file for path, file in ground.files.items() if path not in files}
    whole = kept | {path: File.of(content) for path, content in files.items() if content is not None}
    opened = {**ground.desired.secrets, **({offer.secret.name: offer.secret} if offer.secret else {})}
    try:
        origin = compose(load(whole, proof.edges.settings.host, opened), ground.facts)
    except WithFindings as error:
        return replace(result, problem=str(error.findings[0]))
    after = proof.stages.of(name, origin, proof.edges.templates)
    plan = with_effects(diff(before.target, after.target, origin), ground.facts)
    if problem := before.problem or after.problem:
        return replace(result, plan=plan, problem=problem)
    return replace(result, plan=plan, proof=tuple(proof.stages.prove(offer, before, after)))


def _sealed(offer: Offer, files: Tree) -> tuple[Mapping[str, bytes | None], str]:
    """Return the files with the secret, sealed to the recipients that the commit has, or why it can't be."""
    if not offer.secret:
        return offer.files, ""
    listed = files[secrets.RECIPIENTS].read() if secrets.RECIPIENTS in files else b""
    recipients, findings = secrets.read_recipients(listed.decode("utf-8", "replace"))
    if findings or not recipients:
        return offer.files, str(findings[0]) if findings else f"{secrets.RECIPIENTS} names no recipient"
    path = f"secrets/{offer.secret.name}.age"
    return {**offer.files, path: secrets.encrypt(offer.secret.value, recipients)}, ""


# ---- the commit ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Made:
    """What came of an offer: what is *proven* of it, and the commit as *proposed*.

    Both are None if there is nothing left to do. *why_not* says why it is not the same, so that no commit was made;
    *is_kept* if no section can say the same.
    """

    proven: Proven | None = None
    proposed: Proposed | None = None
    why_not: str = ""
    is_kept: bool = False


def commit_offer(name: str, directory: Path, edges: Edges, author: str) -> Made:
    """Commit an offer to the branch after the same check as for a push; raises WithFindings if that refuses it."""
    files = edges.repo.read(edges.repo.required_tip())
    if is_shared(files):
        return Made(why_not="other hosts read the commit too, because it has files in hosts/")
    proven = next(offers(files, directory, edges, {name}), None)
    if proven is None:
        return Made()
    if isinstance(proven, Stays):
        return Made(why_not=proven.why, is_kept=True)
    if not proven.is_equal:
        return Made(proven, why_not=proven.why_not)

    def revise(now: Tree, _host: str) -> Mapping[str, bytes | None]:
        again = proven if now == files else next(offers(now, directory, edges, {name}), None)
        return again.files if isinstance(again, Proven) and again.is_equal else {}

    summary, body = proven.offer.summary, _body(proven)
    subject = f"{summary[:1].upper()}{summary[1:].partition(' (')[0]}"
    done = propose(Proposal(subject, author, revise, body=lambda _files: body, everywhere=True), edges)
    return Made(proven, done) if isinstance(done, Proposed) else Made()


def _body(proven: Proven) -> str:
    """Return the message below the subject: what was proven, and what a person must know."""
    lines = [f"Offer {proven.name}: {proven.offer.summary}.", "", f"{_PROVEN}:", ""]
    lines += [f"  {line}" for line in proven.proof]
    if proven.offer.confirm:
        lines += ["", *(f"{text[:1].upper()}{text[1:]}." for text in proven.offer.confirm)]
    return "\n".join(lines) + "\n"
