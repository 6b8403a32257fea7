"""Read out of rspamd's own settings what it signs, with which key. Pure; raises nothing.

Known limit: keys in Redis or Vault, and domains and selectors in maps, are not read.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from reconciler.desired.offers.signing import Signing, SigningKey, is_network, problem_of
from reconciler.features.dkim import section as dkim

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Secret

SETTINGS, OPTIONS = "dkim_signing", "options"
"""The parts of its configuration, as ``rspamadm configdump -j`` prints them."""
_FIXED = {
    "allow_envfrom_empty": True, "enabled": True, "sign_authenticated": True, "sign_inbound": False,
    "use_domain": "header", "use_http_headers": False, "use_redis": False,
}  # fmt: skip
_FREE = {
    "allow_hdrfrom_mismatch", "allow_hdrfrom_multiple", "allow_username_mismatch", "domain", "key_prefix", "path",
    "selector", "sign_local", "sign_networks", "symbol", "try_fallback", "use_esld",
}  # fmt: skip
_LOOPBACK = ("127.", "::1")
_ANY = "*"


def named(files: Mapping[str, Secret]) -> set[str]:
    """Return the paths of its keys, with ``*`` for any domain."""
    pairs = _pairs(_part(files, SETTINGS) or {})
    return {pair.path.replace("$domain", pair.domain) for pair in pairs} if not isinstance(pairs, str) else set()


def read(files: Mapping[str, Secret]) -> Signing | str:
    """Return what it signs, or why the section ``dkim`` can't sign the same."""
    settings, options = _part(files, SETTINGS), _part(files, OPTIONS)
    if settings is None or options is None:
        return "rspamd does not say its settings"
    if problem := _of_settings(settings):
        return problem
    networks, pairs = _networks(settings, options), _pairs(settings)
    if isinstance(networks, str) or isinstance(pairs, str):
        return networks if isinstance(networks, str) else str(pairs)
    found = [one for pair in pairs for one in _existing(pair, files)]
    is_all = any(one.domain == _ANY for one in found)
    if is_all and settings.get("use_esld", True):
        return "rspamd signs all domains by their registered names (use_esld), and the section by their own"
    domains = () if is_all else tuple(dict.fromkeys(one.domain for one in found))
    if problem := problem_of("rspamd", domains, [one.selector for one in found], [files[one.path] for one in found]):
        return problem
    first = found[0]
    told = tuple(_told(settings))
    socket = f"inet:{dkim.PORT}@localhost"
    return Signing("rspamd", domains, first.selector, files[first.path], first.path, networks, socket, told)


def _part(files: Mapping[str, Secret], name: str) -> dict[str, Any] | None:
    try:
        found = json.loads(files[name].value)
    except (KeyError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _of_settings(settings: Mapping[str, Any]) -> str:
    """Return why the section can't say what the settings do; empty if it can."""
    if more := sorted(settings.keys() - _FREE - _FIXED.keys()):
        return f"rspamd has {more[0]} in dkim_signing, which the section can't say"
    wrong = next((name for name, value in _FIXED.items() if settings.get(name, value) != value), "")
    return f"rspamd has {wrong} = {settings[wrong]} in dkim_signing, which the section can't say" if wrong else ""


def _pairs(settings: Mapping[str, Any]) -> list[SigningKey] | str:
    """Return the keys by their domains, or why they are not known."""
    selector, path = settings.get("selector"), settings.get("path")
    domains = settings.get("domain", {})
    if not isinstance(domains, dict):
        return "rspamd has its domains in a map"
    found = list[SigningKey]()
    for domain, own in domains.items():
        more = own.get("selectors", []) if isinstance(own, dict) else None
        if not isinstance(more, list) or not all(isinstance(one, dict) for one in more):
            return f"rspamd's settings for {domain} are not one block with a list of selectors"
        ways = [one for one in (own, *more) if "selector" in one or "path" in one]
        found += [_pair(domain.lower(), one.get("selector", selector), one.get("path", path)) for one in ways or [own]]
    if settings.get("try_fallback", True) and path:
        found.append(_pair(_ANY, selector, path))
    if wrong := next((pair.domain for pair in found if not pair.path.startswith("/") or "$" in _rest(pair)), ""):
        return f"the path of rspamd's key for {wrong} is not one of a file"
    return found


def _pair(domain: str, selector: object, path: object) -> SigningKey:
    text = re.sub(r"\$\{([a-z]+)\}", r"$\1", str(path or ""), flags=re.ASCII)
    return SigningKey(domain, str(selector).lower(), text.replace("$selector", str(selector)))


def _rest(pair: SigningKey) -> str:
    return pair.path.replace("$domain", "", 1)


def _existing(pair: SigningKey, files: Mapping[str, Secret]) -> Iterator[SigningKey]:
    """Yield the key if its file is there; for any domain, one for each file."""
    if pair.domain != _ANY or "$domain" not in pair.path:
        path = pair.path.replace("$domain", pair.domain)
        if path in files:
            yield pair._replace(path=path)
        return
    before, _, after = pair.path.partition("$domain")
    for path in sorted(files):
        if path.startswith(before) and path.endswith(after) and len(path) > len(before + after):
            yield pair._replace(domain=path[len(before) : len(path) - len(after)], path=path)


def _networks(settings: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...] | str:
    """Return the networks whose mail is signed, or why the section can't name them."""
    is_local = settings.get("sign_local", True)
    lists = [settings.get("sign_networks", []), options.get("local_addrs", []) if is_local else []]
    if not all(isinstance(one, list) for one in lists):
        return "rspamd has the networks that it signs for in a map"
    networks = [str(network) for one in lists for network in one]
    if not is_local and not {"127.0.0.1", "127.0.0.0/8"} & {*networks}:
        return "rspamd does not sign mail over the loopback interface, and the section does"
    outer = [network for network in networks if not network.startswith(_LOOPBACK)]
    wrong = next((network for network in outer if not is_network(network)), "")
    return f"rspamd signs for {wrong}, which is not a network" if wrong else tuple(dict.fromkeys(outer))


def _told(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield what to confirm."""
    yield "rspamd keeps its other settings, and signs by those of the section instead of its own"
    if settings.get("use_esld", True):
        yield "mail of a subdomain is signed no longer (use_esld), unless you add it to domains and publish its record"
    if not settings.get("allow_hdrfrom_mismatch", False):
        yield "mail whose envelope sender has another domain than its author is signed too"
    if not settings.get("allow_username_mismatch", False):
        yield "mail of a login is signed whatever the domain of its name"
