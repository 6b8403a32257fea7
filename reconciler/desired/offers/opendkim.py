"""Read out of opendkim's files what it signs, with which key. Pure; raises nothing.

Known limits: options of its command line are not seen. Tables in databases, and a key that is written into its table,
are not read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.desired.offers.signing import Signing, SigningKey, is_network, problem_of
from reconciler.features.dkim import section as dkim
from reconciler.model.ascii_text import split_lines, split_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Secret

CONFIGURATION = "/etc/opendkim.conf"
_DOMAIN, _SELECTOR, _KEY, _KEYS, _SIGNERS, _HOSTS = (
    "domain", "selector", "keyfile", "keytable", "signingtable", "internalhosts",
)  # fmt: skip
_OF_ONE, _OF_TABLES = (_DOMAIN, _SELECTOR, _KEY), (_KEYS, _SIGNERS)
_MODE, _FORM, _SOCKET = "mode", "canonicalization", "socket"
_UNIMPORTANT = {
    "autorestart", "autorestartcount", "autorestartrate", "background", "dnstimeout", "externalignorelist",
    "logresults", "logwhy", "nameservers", "omitheaders", "oversignheaders", "pidfile", "requiresafekeys",
    "resolverconfiguration", "signheaders", "syslog", "syslogfacility", "syslogsuccess", "temporarydirectory",
    "trustanchorfile", "umask", "userid",
}  # fmt: skip
_FIXED = {"signaturealgorithm": {"rsa-sha256"}, "subdomains": {"no", "n", "false", "0"}}
_TYPE = re.compile(r"(refile|file|csl|[a-z]+):(?=[^:])", re.ASCII)
_LOOPBACK = {"127.0.0.1", "127.0.0.0/8", "::1", "::1/128", "localhost"}


def named(files: Mapping[str, Secret]) -> set[str]:
    """Return the paths of the files that opendkim reads, as far as those that are known name them."""
    settings = _settings(files)
    if isinstance(settings, str):
        return {CONFIGURATION}
    found = {CONFIGURATION, settings.get(_KEY, "")}
    found |= {_path(settings[name]) for name in (_KEYS, _SIGNERS, _HOSTS) if name in settings}
    found |= {value.split(":")[-1] for _, value in _rows(files, settings.get(_KEYS, ""))}
    return {path for path in found if path.startswith("/")}


def read(files: Mapping[str, Secret]) -> Signing | str:
    """Return what it signs, or why the section ``dkim`` can't sign the same."""
    settings = _settings(files)
    if isinstance(settings, str):
        return settings
    if problem := _of_settings(settings) or _of_files(files):
        return problem
    pairs = _of_one(settings) if _KEY in settings else _of_tables(files, settings)
    hosts = _hosts(files, settings.get(_HOSTS, "127.0.0.1"))
    if isinstance(pairs, str) or isinstance(hosts, str):
        return pairs if isinstance(pairs, str) else str(hosts)
    networks = tuple(dict.fromkeys(host for host in hosts if host not in _LOOPBACK))
    domains = tuple(dict.fromkeys(pair.domain for pair in pairs))
    keys = [files[pair.path] for pair in pairs]
    if problem := problem_of("opendkim", domains, [pair.selector for pair in pairs], keys):
        return problem
    first, told = pairs[0], tuple(_told(settings, hosts))
    socket = settings.get(_SOCKET, "")
    return Signing("opendkim", domains, first.selector, keys[0], first.path, networks, socket, told)


def _told(settings: Mapping[str, str], hosts: list[str]) -> Iterator[str]:
    """Yield what to confirm."""
    yield "rspamd signs instead of opendkim, which is asked no longer and runs until you stop it"
    yield "a signature covers the header fields that rspamd chooses, and never Received"
    if (form := settings.get(_FORM, "simple/simple")).lower() != "relaxed/relaxed":
        yield f"the canonicalization is relaxed/relaxed instead of {form}"
    if "v" in settings.get(_MODE, "sv"):
        yield "signatures of mail from elsewhere are verified no longer, and it gets no Authentication-Results header"
    if "127.0.0.0/8" not in hosts or not {"::1", "::1/128"} & {*hosts}:
        yield "mail over the loopback interface is signed from all of its addresses (127.0.0.0/8 and ::1)"


# ---- the text of its files -------------------------------------------------------------------------------------------


def _settings(files: Mapping[str, Secret]) -> dict[str, str] | str:
    """Return the settings by their names in lower case, or why they can't be read."""
    if CONFIGURATION not in files:
        return f"{CONFIGURATION} can't be read"
    found: dict[str, str] = {}
    for line in split_lines(files[CONFIGURATION].value):
        words = split_words(line.partition("#")[0])
        if words and words[0].lower() in found:
            return f"{CONFIGURATION} has {words[0]} twice"
        if words:
            found[words[0].lower()] = " ".join(words[1:])
    return found


def _path(dataset: str) -> str:
    """Return the file of a data set; empty for a list of values."""
    match = _TYPE.match(dataset)
    path = dataset[match.end() :] if match else dataset
    return path if path.startswith("/") and (not match or match[1] in {"file", "refile"}) else ""


def _rows(files: Mapping[str, Secret], dataset: str) -> Iterator[tuple[str, str]]:
    """Yield the rows of a table, each a key and a value."""
    path = _path(dataset)
    for line in split_lines(files[path].value) if path in files else ():
        words = split_words(line.partition("#")[0])
        if words:
            yield words[0], " ".join(words[1:])


# ---- what they mean --------------------------------------------------------------------------------------------------


def _of_settings(settings: Mapping[str, str]) -> str:
    """Return why the section can't say what the settings do; empty if it can."""
    known = {*_OF_ONE, *_OF_TABLES, _HOSTS, _MODE, _FORM, _SOCKET, *_UNIMPORTANT, *_FIXED}
    if more := sorted(settings.keys() - known):
        return f"opendkim has {more[0]}, which the section can't say"
    if wrong := next((name for name, values in _FIXED.items() if settings.get(name, min(values)) not in values), ""):
        return f"opendkim has {wrong} {settings[wrong]}, which the section can't say"
    if "s" not in settings.get(_MODE, "sv"):
        return f"opendkim does not sign (mode {settings[_MODE]})"
    given = {*_OF_ONE, *_OF_TABLES} & settings.keys()
    if given not in ({*_OF_ONE}, {*_OF_TABLES}):
        return "opendkim has neither Domain, Selector and KeyFile alone, nor KeyTable and SigningTable alone"
    return ""


def _of_files(files: Mapping[str, Secret]) -> str:
    missing = sorted(named(files) - files.keys())
    return f"{missing[0]} can't be read" if missing else ""


def _of_one(settings: Mapping[str, str]) -> list[SigningKey] | str:
    if _TYPE.match(settings[_DOMAIN]) or _path(settings[_DOMAIN]):
        return f"Domain of opendkim is {settings[_DOMAIN]}, and import reads a list of domains there"
    domains = split_words(settings[_DOMAIN].replace(",", " ").lower())
    return [SigningKey(domain, settings[_SELECTOR].lower(), settings[_KEY]) for domain in domains]


def _of_tables(files: Mapping[str, Secret], settings: Mapping[str, str]) -> list[SigningKey] | str:
    """Return what the tables say, or why it is more than the section can."""
    for name in _OF_TABLES:
        if not _path(settings[name]):
            return f"{name} of opendkim is {settings[name]}, and import reads a file there"
    prefix = "*@" if settings[_SIGNERS].startswith("refile:") else ""
    keys, pairs = dict(_rows(files, settings[_KEYS])), list[SigningKey]()
    for pattern, name in _rows(files, settings[_SIGNERS]):
        domain = pattern.removeprefix(prefix).lower()
        parts = keys.get(name, "").split(":")
        if not pattern.startswith(prefix) or not dkim.DOMAIN.fullmatch(domain):
            return f"the signing table of opendkim has {pattern}, and the section signs for a whole domain"
        if len(parts) != len(SigningKey._fields) or not parts[2].startswith("/"):
            return f"the key table of opendkim has no domain, selector and file of a key for {name}"
        if parts[0].lower() not in {domain, "%"}:
            return f"opendkim signs mail of {domain} as {parts[0]}, and the section as {domain}"
        pairs.append(SigningKey(domain, parts[1].lower(), parts[2]))
    return pairs


def _hosts(files: Mapping[str, Secret], dataset: str) -> list[str] | str:
    """Return the networks of InternalHosts, or why the section can't name them."""
    if _path(dataset):
        hosts = [key for key, _ in _rows(files, dataset)]
    else:
        hosts = split_words(dataset.removeprefix("csl:").replace(",", " "))
    for host in hosts:
        if host not in _LOOPBACK and not is_network(host):
            return f"InternalHosts of opendkim has {host}, and the section signs for networks alone"
    if not {"127.0.0.1", "127.0.0.0/8", "localhost"} & {*hosts}:
        return "InternalHosts of opendkim lacks 127.0.0.1, and the section signs mail over the loopback interface"
    return hosts
