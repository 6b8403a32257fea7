"""What an offer is found in, and what it is. Raises nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from reconciler.desired.layout import host_in
from reconciler.features import parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model import Contribution, Desired, Facts, Parameter, Secret, Tree

MAIL = "mail.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The *files* of a commit, what they mean on this host, and what an offer must know of the host beside the facts.

    *shipped* are the lines of comments in the package's own master.cf. *logins* are the rows of the table that
    smtp_sasl_password_maps names, as ``postmap -s`` prints them; None if there is no such table, or several. *postsrsd*
    is the text of /etc/default/postsrsd, and *srs_secrets* that of /etc/postsrsd.secret; None for a copy of a host's
    files, and without PostSRSd 1. *signer* are the texts that the program behind the Milters reads, by their paths;
    None for a copy, and for an unknown program.
    """

    files: Tree
    desired: Desired
    origin: Contribution
    facts: Facts
    shipped: frozenset[str] = frozenset()
    logins: Secret | None = None
    postsrsd: str | None = None
    srs_secrets: Secret | None = None
    signer: Mapping[str, Secret] | None = None

    @property
    def mail(self) -> str:
        """The text of mail.yaml."""
        return self.text(MAIL)

    def text(self, path: str) -> str:
        """Return the text of a file; bytes that are not UTF-8 survive a round trip."""
        return self.files[path].read().decode("utf-8", "surrogateescape")

    def written(self, name: str) -> Parameter | None:
        """Return a parameter that stands among those of mail.yaml; None if it stands elsewhere, or nowhere."""
        found = self.origin.parameters.get(name)
        return found if found and (found.where.file, found.section) == (MAIL, parameters.SECTION) else None

    def has_secret(self, name: str) -> bool:
        """Return whether the commit has a secret of that name."""
        return f"secrets/{name}.age" in self.files


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The *files* that change, None for one that is removed, and what is not the same to the letter afterwards.

    *secret* is to be sealed in secrets/. *renamed* has tables by their old names, as TYPE:PATH, and their new names;
    both hold the same rows, or are the same server. *split* has those whose rows several tables hold, or one that is
    made of the commit. *changed* are the parameters whose value changes.

    *gone* are the services that are left out, as NAME/TYPE, *added* those that are new, *replaced* those that get
    another name, and *moved* those that stand elsewhere in master.cf, by their new names. *restated* are those of them
    that have other options, with which every parameter but the *adjusted* ones has the same value there. *confirm* says
    what a person must know.
    """

    summary: str
    files: Mapping[str, bytes | None]
    secret: Secret | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    split: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()
    moved: frozenset[str] = frozenset()
    replaced: Mapping[str, str] = field(default_factory=dict)
    restated: frozenset[str] = frozenset()
    adjusted: frozenset[str] = frozenset()
    confirm: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotOffered:
    """What the host has stays as it is, and *why* in one line: a section can't say the same."""

    why: str


class Offering(Protocol):
    """The interface of a module that finds one offer."""

    def find(self, ground: Ground, /) -> Offer | NotOffered | None:
        """Return the offer, or why there is none for what the host has, or None if it has nothing of the kind."""


def is_shared(files: Tree) -> bool:
    """Return whether other hosts read the commit as well, for which nothing can be proven here."""
    return any(map(host_in, files))


def saved(before: Tree, after: Mapping[str, bytes | None]) -> int:
    """Return how many lines fewer the files of a commit have; sealed secrets do not count."""
    read = {path for path in after if not path.endswith(".age")}
    old = sum(before[path].read().count(b"\n") for path in read if path in before)
    return old - sum((after[path] or b"").count(b"\n") for path in read)


def plural(count: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{count} {what}{'s' * (count != 1)}"
