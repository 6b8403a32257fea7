"""What an offer is found in, made of a commit's files as `reconciler import` writes them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.desired.load import load
from reconciler.desired.move_in import ConfigurationFiles, write
from reconciler.desired.offers.offer import Ground, Offer
from reconciler.desired.offers.opendkim import CONFIGURATION
from reconciler.features.composition import compose
from reconciler.model import Contribution, File, Secret
from tests.shapes import files_of
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model import Facts

HEAD = "base: none\n\nparameters:\n"
SHIPPED = frozenset(
    line.strip() for line in files_of("debian")["master.cf"].decode().split("\n") if line.strip().startswith("#")
)


def ground(mail: str, master: str = "", facts: Facts = HOST, logins: str | None = None, **tables: str) -> Ground:
    """Return the ground of a commit; *tables* by their files' names, with ``_`` for the dot before the type."""
    files = {"mail.yaml": mail, **({"master.d/host.cf": master} if master else {})}
    files |= {f"tables/{name.replace('__', '.')}": text for name, text in tables.items()}
    return of_files({path: text.encode() for path, text in files.items()}, facts, logins)


def with_postsrsd(before: Ground, settings: str, secrets: str) -> Ground:
    """Return the ground on a host with PostSRSd 1."""
    return replace(before, postsrsd=settings, srs_secrets=Secret("srs", secrets))


def with_opendkim(before: Ground, **files: str) -> Ground:
    """Return the ground on a host with opendkim and rspamd; *files* by their names in the root."""
    facts = replace(before.facts, packages={"rspamd": "3.4-1"})
    texts = {CONFIGURATION if name == "conf" else f"/{name}": text for name, text in files.items()}
    return replace(before, facts=facts, signer={path: Secret(path, text) for path, text in texts.items()})


def imported(shape: str) -> Ground:
    """Return the ground of the first commit of a shape, without tables."""
    files = files_of(shape)
    found = ConfigurationFiles(source="/etc/postfix", main=files["main.cf"], master=files["master.cf"])
    return of_files(write(found).files, HOST, None)


def of_files(files: Mapping[str, bytes], facts: Facts, logins: str | None) -> Ground:
    """Return the ground of a commit's files."""
    tree = {path: File.of(content) for path, content in files.items()}
    desired = load(tree, facts.host, {})
    secret = None if logins is None else Secret("smtp_sasl_password_maps", logins)
    origin = compose(desired, facts)
    return Ground(files=tree, desired=desired, origin=origin, facts=facts, shipped=SHIPPED, logins=secret)


def after(before: Ground, offer: Offer) -> Contribution:
    """Return what the commit means with the offer; it must load."""
    kept = {path: file for path, file in before.files.items() if path not in offer.files}
    new = {path: File.of(content) for path, content in offer.files.items() if content is not None}
    secrets = {}
    if offer.secret:
        secrets[offer.secret.name] = offer.secret
        new[f"secrets/{offer.secret.name}.age"] = File.of(b"-----BEGIN AGE ENCRYPTED FILE-----\n")
    return compose(load({**kept, **new}, before.facts.host, secrets), before.facts)


def text(offer: Offer | None, path: str = "mail.yaml") -> str:
    """Return the text of a file that an offer changes."""
    assert offer is not None
    content = offer.files[path]
    assert content is not None
    return content.decode()
