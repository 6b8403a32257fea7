"""What a program that signs mail signs with, and whether one key of the section ``dkim`` can. Pure; raises nothing."""

from __future__ import annotations

import base64
import binascii
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

from reconciler.desired.offers.offer import plural
from reconciler.features.dkim import section as dkim
from reconciler.model.ascii_text import SPACE, split_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model import Secret

_RSA = bytes.fromhex("06092a864886f70d010101")  # rsaEncryption, as PKCS #8 names it


class Signing(NamedTuple):
    """What *program* signs: mail from *networks* and the loopback interface by authors in *domains*, empty for all.

    *key* is the private key in PEM, read from *path*. *told* is what to confirm when the section signs instead.
    """

    program: str
    domains: tuple[str, ...]
    selector: str
    key: Secret
    path: str
    networks: tuple[str, ...]
    socket: str
    told: tuple[str, ...]


class SigningKey(NamedTuple):
    """A domain, or ``*`` for any, and the file of the key that signs for it."""

    domain: str
    selector: str
    path: str


def is_network(text: str) -> bool:
    """Return whether the section can sign for it, beside the loopback interface."""
    try:
        network = ip_network(text)
    except ValueError:
        return False
    return network.prefixlen > 0 and not ip_address(text.partition("/")[0]).is_loopback


def problem_of(program: str, domains: Sequence[str], selectors: Sequence[str], keys: Sequence[Secret]) -> str:
    """Return why one key of the section can't sign for these; empty if it can."""
    names, texts = {*selectors}, {key.value.strip(SPACE) for key in keys}
    if len(names) != 1 or len(texts) != 1:
        counted = f"{plural(len(names), 'selector')} and {plural(len(texts), 'key')}"
        return f"{program} signs with {counted}, and the section with one key of one selector for all domains"
    if wrong := next((domain for domain in domains if not dkim.DOMAIN.fullmatch(domain)), ""):
        return f"{program} signs for {wrong}, which is not a domain"
    if not dkim.SELECTOR.fullmatch(min(names)):
        return f"the selector {min(names)} is not one label, and the section takes no other"
    return "" if _is_rsa(min(texts)) else f"the key of {program} is not a private RSA key in PEM without a password"


def _is_rsa(key: str) -> bool:
    if not (match := dkim.PEM.fullmatch(key)):
        return False
    try:
        content = base64.b64decode("".join(split_words(key.split("-----")[2])), validate=True)
    except binascii.Error:
        return False
    return bool(match[1]) or _RSA in content
