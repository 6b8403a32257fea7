"""Table entries must fit the use of their table: keys that can match, and answers that Postfix knows.

Each use of a table walks its entries once, and keeps none of them. Raises nothing.

Known limits: of pattern tables, the rules check only the results; they do not check the tables of a database client.
"""

from __future__ import annotations

import re
from functools import partial
from ipaddress import ip_network
from typing import TYPE_CHECKING

from reconciler.model import Finding, Severity, nothing_mentioned
from reconciler.model.ascii_text import NON_ASCII
from reconciler.postfix.actions import access_problem, checks_problem, numeric_reply, policy_problem, screen_problem
from reconciler.postfix.networks import NETWORK_LISTS, problem_of
from reconciler.postfix.nexthops import MailRoutes, bad_nexthop, bad_route, mail_routes
from reconciler.postfix.own_host import COMES_BACK, OwnHost, own_host
from reconciler.postfix.restrictions import WITH_TABLE
from reconciler.postfix.routes import RELAY_MAPS, TRANSPORT_MAPS, transport_of, unknown_transport
from reconciler.postfix.scopes import words
from reconciler.postfix.table_cache import CachedTable
from reconciler.postfix.table_parts import begins_a_line, findings_in, is_large
from reconciler.postfix.table_uses import Use, inline_tables, uses_by_table
from reconciler.postfix.tables import PATTERN_TYPES, Entries

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from reconciler.model import Contribution, Desired, Facts, Table
    from reconciler.postfix.tables import Entry

_CHECKS = re.compile(r"_checks\Z")
_BY_SENDER = frozenset(
    {
        "sender_dependent_default_transport_maps", "sender_dependent_relayhost_maps",
        "address_verify_sender_dependent_default_transport_maps", "address_verify_sender_dependent_relayhost_maps",
    }
)  # fmt: skip
_POLICIES = frozenset({"smtp_tls_policy_maps", "lmtp_tls_policy_maps"})
_BY_DOMAIN = frozenset({"relay_domains", "mydestination", "virtual_alias_domains", "virtual_mailbox_domains"})
_BY_ROUTE = frozenset({"transport_maps", "address_verify_transport_maps"})
_BY_REWRITING = frozenset(
    {
        "canonical_maps", "recipient_canonical_maps", "sender_canonical_maps", "smtp_generic_maps", "lmtp_generic_maps",
        "smtpd_sender_login_maps", "sender_bcc_maps", "recipient_bcc_maps", "relocated_maps",
    }
)  # fmt: skip
_LABEL = rf"[\w{NON_ASCII}-]+"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.(?:com|net|org|edu|gov|info|biz|example|test|[a-z]{{2}})", re.ASCII)
_BY_ADDRESS = frozenset({"check_sender_access", "check_recipient_access"})
_BY_CLIENT = frozenset(use for use in WITH_TABLE if use.startswith("check_client_"))
_BY_PROOF = frozenset({"check_ccert_access", "check_sasl_access"})
_WHOLE = _BY_DOMAIN - {"relay_domains"}  # a domain there stands for itself alone


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that each entry fits the uses of its table."""
    asked = uses_by_table(merged, facts)
    host = mail_routes(merged, facts), own_host(merged, facts), facts.unsaid
    for name, table in desired.tables.items():
        uses = asked.get(name, frozenset())
        ask = partial(findings_in, table) if _is_by_entry(table) else CachedTable(table).ask
        yield from ask(_by_themselves, uses, facts.unsaid)
        if naming := frozenset(filter(_may_name_services, uses)):
            yield from ask(_with_services, naming, *host)
    for inline in inline_tables(merged, facts):
        use = frozenset({inline.use})
        yield from map(inline.finding, _by_themselves(inline.table, use, facts.unsaid))
        yield from map(inline.finding, _with_services(inline.table, use, *host))


def _is_by_entry(table: Table) -> bool:
    """Return whether a large table has no key that begins with a dot, which is compared with the one without."""
    return is_large(table) and not begins_a_line(table, b".")


def _may_name_services(use: Use) -> bool:
    """Return whether entries may name services: what is found in them has to be found again with each site."""
    return use.name in {*TRANSPORT_MAPS, *RELAY_MAPS, *WITH_TABLE} or bool(_CHECKS.search(use.name))


def _by_themselves(table: Table, uses: frozenset[Use], unsaid: frozenset[str]) -> Iterator[Finding]:
    """Yield the findings about a table's entries that depend on their uses alone, and on what is *unsaid*."""
    entries = Entries(table)
    if table.type == "cidr":
        yield from _networks(table, entries)
    for use in sorted(uses, key=lambda use: use.name):
        if use.name in _POLICIES:
            yield from _bad_results(table, entries, "unknown-policy", partial(policy_problem, unsaid=unsaid))
        elif use.name == "postscreen_access_list":
            yield from _bad_results(table, entries, "unknown-action", screen_problem)
    if table.type not in {*PATTERN_TYPES, "cidr", "static"}:
        yield from _keys(table, entries, uses)


def _with_services(
    table: Table, uses: frozenset[Use], known: MailRoutes, here: OwnHost, unsaid: frozenset[str]
) -> Iterator[Finding]:
    """Yield the findings about entries that may name services; *known* are the existing routes, *here* is this host."""
    entries = Entries(table)
    for use in sorted(uses, key=lambda use: use.name):
        if use.name in TRANSPORT_MAPS:
            yield from _routes(table, entries, known)
            yield from _looping_hops(table, entries, here, here.hops)
        elif use.name in RELAY_MAPS:
            yield from _relays(table, entries, known)
            yield from _looping_hops(table, entries, here, lambda value, _: words(value))
        elif use.name in WITH_TABLE:
            problem_in = partial(access_problem, classes=use.classes, routes=known, unsaid=unsaid)
            yield from _bad_results(table, entries, "unknown-action", problem_in)
            yield from _numeric_replies(table, entries)
            yield from _filtered_again(table, entries, here, checks=False)
        elif _CHECKS.search(use.name):
            yield from _bad_results(table, entries, "unknown-action", partial(checks_problem, routes=known))
            yield from _filtered_again(table, entries, here, checks=True)


# ---- results ---------------------------------------------------------------------------------------------------------


def _bad_results(
    table: Table, entries: Iterable[Entry], rule: str, problem_in: Callable[[str], str | None]
) -> Iterator[Finding]:
    """Yield a finding for each entry whose result has a problem."""
    # 100,000 rows have only a few different answers, so each answer is checked once.
    problems = {value: problem for value in {entry.value for entry in entries} if (problem := problem_in(value))}
    for entry in entries if problems else ():
        if problem := problems.get(entry.value):
            yield table.finding(rule, entry.line, f'"{entry.key}": {problem}', entry.key)


def _routes(table: Table, entries: Iterable[Entry], known: MailRoutes) -> Iterator[Finding]:
    """Check ``transport:nexthop``; the text that a pattern substitutes for $1 is unknown."""

    def unknown(value: str) -> str | None:
        fixed = transport_of(value).lower() != "dunno" and not (patterns and "$" in transport_of(value))
        return unknown_transport(value, known.transports) if fixed else None

    def malformed(value: str) -> str | None:
        return None if patterns and "$" in value else bad_route(value, known)

    patterns = table.type in PATTERN_TYPES
    yield from _bad_results(table, entries, "unknown-transport", unknown)
    yield from _bad_results(table, entries, "malformed-nexthop", malformed)


def _relays(table: Table, entries: Iterable[Entry], known: MailRoutes) -> Iterator[Finding]:
    """Check next hops without a transport."""

    def malformed(value: str) -> str | None:
        unclear = value.lower() == "dunno" or (table.type in PATTERN_TYPES and "$" in value)
        return None if unclear else bad_nexthop(value, known)

    yield from _bad_results(table, entries, "malformed-nexthop", malformed)


def _looping_hops(
    table: Table, entries: Iterable[Entry], here: OwnHost, hops: Callable[[str, str], list[str]]
) -> Iterator[Finding]:
    """Yield next hops that are this host; each hop is checked once, because many rows share it."""
    back: dict[str, str | None] = {}
    suspects = here.suspects()
    for entry in entries:
        for hop in hops(entry.value, entry.key) if suspects.search(entry.value) else ():
            if hop not in back:
                back[hop] = here.back_to(hop)
            if name := back[hop]:
                what = f'"{entry.key}": "{hop}" is this host\'s own service "{name}": {COMES_BACK}'
                yield table.finding("loops-to-self", entry.line, what, entry.key, lasting=here.is_certain(hop))


def _filtered_again(table: Table, entries: Iterable[Entry], here: OwnHost, *, checks: bool) -> Iterator[Finding]:
    """Yield FILTER actions that lead to this host."""

    def problem(value: str) -> str | None:
        name = here.back_by_action(value, checks=checks)
        return f'"{value}" is this host\'s own service "{name}": {COMES_BACK}' if name else None

    yield from _bad_results(table, entries, "loops-to-self", problem)


def _numeric_replies(table: Table, entries: Iterable[Entry]) -> Iterator[Finding]:
    for entry in entries:
        if numeric_reply(entry.value):
            alone = entry.value
            what = f'"{entry.key}": "{alone}" alone permits, as any number does; write "{alone} text" to reject'
            yield table.finding("number-permits", entry.line, what, entry.key, severity=Severity.WARNING)


# ---- keys ------------------------------------------------------------------------------------------------------------


Never = tuple[tuple["re.Pattern[str]", str], ...]
# The text without the dots at its ends; each part can match in one way only, so a key of dots takes no longer.
_DOTS, _REST = r"(?:\.+(?=[^.]))?", r"(?P<domain>.(?:.*[^.])?)\.*"
_STAR_AT = re.compile(rf"\*@{_REST}")
_STAR_DOT = re.compile(rf"\*\.{_REST}")
_AT = re.compile(rf"\*?@{_DOTS}{_REST}")
_STAR = re.compile(r"\*\.*")
_AT_STAR = re.compile(rf"\*?@\*\.{_REST}")
_IN_DOMAIN = re.compile(r"[^@]*@\*.*")
_AT_DOT = re.compile(rf"(?P<user>[^@]*)@\.{_DOTS}{_REST}")
_USER_AT = re.compile(r"(?P<user>[^@]+)@")
_DOT = re.compile(rf"\.{_DOTS}(?P<domain>[^@](?:[^@]*[^@.])?)\.*")
_END = re.compile(r"(?P<rest>.*[^.])\.+")  # Postfix removes the dot from an address before the lookup
_ADDRESS = re.compile(r"[^@/]*@(?P<domain>[^@]+)")
_WITH_DOMAIN = re.compile(r"(?P<user>[^@]+)@[^@]*")
_IN_BRACKETS = re.compile(r"\[(?P<address>[0-9a-fA-F.:]+)\]", re.ASCII)
_SHORT = re.compile(r"(?P<octets>\d+(?:\.\d+){0,2})\.\*?", re.ASCII)  # access(5) looks up 198.51.100, without a dot
_IN_NETWORK = re.compile(r"[0-9a-fA-F.:]+/\d+", re.ASCII)
_USER = re.compile(r"(?P<user>[^@.]+)")
_NULL = re.compile(r"<>")
_BARE = re.compile(r"(?!<>)(?P<bare>[^@](?:[^@]*[^@.])?)\.*")
_DOTTED = re.compile(r"(?P<bare>[^@.]*\.[^@]*[^@.])\.*")  # a name without a dot is a user of this host's own domains
_NO_ADDRESS = (_IN_DOMAIN, "a table of type regexp"), (_USER_AT, "{user}@DOMAIN"), (_AT_DOT, "{user}@{domain}")


_OF_CLIENTS = (_IN_NETWORK, "a table of type cidr"), (_IN_BRACKETS, "{address}"), (_SHORT, "{octets}")


_FORMS: dict[str, Never] = {
    **dict.fromkeys(
        _BY_SENDER,
        (
            (_STAR, "default_transport"), (_STAR_AT, "@{domain}"), (_STAR_DOT, "@{domain}"), (_DOT, "@{domain}"),
            *_NO_ADDRESS, (_DOTTED, "@{bare}"), (_END, "{rest}"),
        ),
    ),
    **dict.fromkeys(_BY_DOMAIN, ((re.compile(r".*@(?P<domain>.+)"), "{domain}"), (_STAR_DOT, "{domain}"))),
    **dict.fromkeys(
        _BY_ROUTE,
        (
            (_AT_STAR, ".{domain}"), (_AT, "{domain}"), (_STAR_DOT, ".{domain}"), *_NO_ADDRESS,
            (_NULL, "a row of tables/sender_transport"), (_END, "{rest}"),
        ),
    ),
    **dict.fromkeys(
        WITH_TABLE - _BY_PROOF,
        ((_IN_NETWORK, "a table of type cidr"), (_ADDRESS, "{domain}"), (_STAR_DOT, "{domain}")),
    ),
    **dict.fromkeys(_BY_CLIENT, (*_OF_CLIENTS, (_ADDRESS, "{domain}"), (_STAR_DOT, "{domain}"))),
    **dict.fromkeys(NETWORK_LISTS | {"postscreen_access_list"}, _OF_CLIENTS),
    **dict.fromkeys(_BY_ADDRESS, ((_AT, "{domain}"), (_STAR_DOT, "{domain}"))),
    **dict.fromkeys(_POLICIES, ((_STAR, "smtp_tls_security_level"), (_ADDRESS, "{domain}"), (_STAR_DOT, ".{domain}"))),
    **dict.fromkeys(_BY_REWRITING, ((_STAR_AT, "@{domain}"), (_STAR_DOT, "@{domain}"))),
    "alias_maps": ((_WITH_DOMAIN, "{user}"),),
    "relay_recipient_maps": ((_STAR_AT, "@{domain}"), (_BARE, "@{bare}")),
    "tls_server_sni_maps": ((_STAR_DOT, ".{domain}"), (_AT, "{domain}"), (_END, "{rest}")),
    "virtual_alias_maps": ((_STAR_AT, "@{domain}"),),
    "virtual_mailbox_maps": ((_STAR_AT, "@{domain}"), (_USER, "{user}@DOMAIN")),
}  # fmt: skip
"""The forms of keys that a use never looks up, each with the intended key (transport(5), access(5))."""


def _never_matches(use: Use) -> Never:
    forms = _FORMS.get(use.name, ())
    return (*forms, (_DOT, "{domain}")) if use.dotless or use.name in _WHOLE else forms


def _keys(table: Table, entries: Iterable[Entry], asked: Collection[Use]) -> Iterator[Finding]:
    """Yield keys that no use of the table looks up."""
    uses, never = {use.name for use in asked}, [_never_matches(use) for use in asked]
    # A use without such forms may look up any key, and then no key is useless.
    if not never or not all(never):
        return
    answers: dict[str, str] = {}
    for entry in entries:
        meant = [_meant(entry.key, patterns) for patterns in never]
        if entry.key.startswith(".") and all(meant):
            answers = answers or {other.key.lower(): other.value for other in entries}
            if answers.get(meant[0] or "") == entry.value:
                continue  # the key that matches is there as well
        if all(meant):
            hint = f"did you mean {meant[0]}?"
            what = f'key "{entry.key}" never matches: {", ".join(sorted(uses))} never looks it up; {hint}'
            yield table.finding("key-never-matches", entry.line, what, entry.key)
        elif uses <= _BY_REWRITING and _DOMAIN.fullmatch(entry.key):
            what = f'key "{entry.key}" is looked up only as a user name; did you mean @{entry.key}?'
            yield table.finding("bare-domain", entry.line, what, entry.key, severity=Severity.WARNING)
        elif uses & _BY_SENDER and entry.key.startswith("@") and "." not in entry.key:
            what = f'key "{entry.key}" is a domain without a dot: it matches only senders at exactly that name'
            yield table.finding("bare-sender-domain", entry.line, what, entry.key, severity=Severity.WARNING)


def _meant(key: str, never: Never) -> str | None:
    """Return the intended form of a key that never matches, or None if it may match."""
    for pattern, meant in never:
        if match := pattern.fullmatch(key):
            return meant.format(key=key, **match.groupdict())
    return None


def _networks(table: Table, entries: Iterable[Entry]) -> Iterator[Finding]:
    """Yield networks that cidr_table(5) can't parse; it skips their lines."""
    for entry in entries:
        pattern = entry.key.lstrip("! ")
        problem = problem_of(f"[{pattern}]" if ":" in pattern and not pattern.startswith("[") else pattern)
        if not problem and not _is_network(pattern):
            problem = "is not a network"
        if problem:
            what = f'"{entry.key}" {problem}; Postfix would skip the line'
            yield table.finding("bad-network", entry.line, what, entry.key)


def _is_network(pattern: str) -> bool:
    try:
        ip_network(pattern.replace("[", "").replace("]", ""))
    except ValueError:
        return False
    return True


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "unknown-action": (
        "A table answers with an action that Postfix does not know. smtpd replies 451 4.3.5 to it. A header or body "
        "check ignores it, and lets pass what it should stop. Correct the spelling."
    ),
    "unknown-policy": (
        "A TLS policy has a level or an attribute that smtp does not know. Mail to that destination would wait in the "
        "queue. Write one of the levels none, may, encrypt, dane, dane-only, fingerprint, verify and secure, followed "
        "by name=value attributes."
    ),
    "number-permits": (
        "A table answers with a number alone. To Postfix, any number alone means OK, so 550 permits. To reject, write "
        'the number with a text, such as "550 not accepted".'
    ),
    "key-never-matches": (
        "A key has a form that Postfix never looks up for the use of its table. The entry has no effect. Write the "
        "key as the finding says."
    ),
    "bare-domain": (
        "A key looks like a domain, but Postfix looks it up only as a user name. It would match no address of that "
        "domain. Write @domain for all its addresses."
    ),
    "bare-sender-domain": (
        "A key is @NAME with no dot in NAME. It matches only senders at exactly that name, such as @localhost, which "
        "is usually a mistake. Write the full domain."
    ),
}
