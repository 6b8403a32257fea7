"""A setting must not stand behind another that always comes before it, or wait for one that is off.

Each entry of _HIDING names settings, the programs that read them, and what hides them in the scope of such a program. A
setting of main.cf is reported if it is hidden in each service that uses it. Raises nothing.

Known limit: tables that may take only some of the mail (mailbox_transport_maps) hide nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import nothing_mentioned
from reconciler.model.ascii_text import split_words
from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.restrictions import LISTS, classes_of
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.table_parts import holds, mentions
from reconciler.postfix.tables import PATTERN_TYPES, Entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_ANYBODY = frozenset({"static", "regexp", "pcre", "tcp", "socketmap"})  # such a list may hold everybody
_WEAK = frozenset({"none", "may"})


class _Hiding(NamedTuple):
    """Settings that only these programs use, and why a scope hides them; the answer is empty where it does not."""

    names: tuple[str, ...]
    programs: tuple[str, ...]
    why: Callable[[Scope], str]


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each setting can take effect beside the others."""
    main, *services = scopes(merged, facts)
    for hiding in _HIDING:
        using = [scope for scope in services if scope.service and scope.service.command in hiding.programs]
        for name in hiding.names:
            yield from _hidden(main, using, name, hiding.why)


def _hidden(main: Scope, using: list[Scope], name: str, why: Callable[[Scope], str]) -> Iterator[Finding]:
    plain: list[str] = []
    for scope in using:
        parameter = scope.parameter(name)
        if not parameter or not scope.value(name):
            continue
        reason = why(scope)
        if scope.place_of(parameter).service is None:
            plain.append(reason)
        elif reason:
            yield _finding(scope, parameter, reason)
    parameter = main.parameter(name)
    if parameter and plain and all(plain):
        yield _finding(main, parameter, plain[0])


def _finding(scope: Scope, parameter: Parameter, reason: str) -> Finding:
    return scope.warning("unreachable-setting", parameter, f"{parameter.name} has no effect: {reason}")


# ---- deliveries ------------------------------------------------------------------------------------------------------


def _set(name: str, then: str) -> Callable[[Scope], str]:
    """Return a reason that holds where a value of the parameter is written."""
    return lambda scope: f"{name} is set, {then}" if scope.parameter(name) and scope.value(name) else ""


def _first(*reasons: Callable[[Scope], str]) -> Callable[[Scope], str]:
    return lambda scope: next(filter(None, (reason(scope) for reason in reasons)), "")


_ALL_LOCAL = _set("mailbox_transport", "and takes all local mailboxes before it")
_COMMAND = _set("mailbox_command", "and takes all mail before it")
_HOME = _set("home_mailbox", "and names another mailbox for everybody")
_FALLBACK = _set("fallback_transport", "and takes all unknown users before it")


def _unknown_refused(scope: Scope) -> str:
    """Return the reason if each listener refuses unknown local users, so that local(8) never meets one from outside."""
    listeners = [other for other in scopes(scope.merged, scope.facts) if _listens(other)]
    if listeners and not any(map(_lets_unknown_in, listeners)):
        return "smtpd refuses unknown local users before local could ask it; it needs an empty local_recipient_maps"
    return ""


def _listens(scope: Scope) -> bool:
    return bool(scope.service and scope.service.command == "smtpd")


def _lets_unknown_in(scope: Scope) -> bool:
    known = scope.parameter("local_recipient_maps")
    tables = tables_of(scope, known) if known else ()
    if not scope.value("local_recipient_maps") or any(table.type in _ANYBODY for table in tables):
        return True
    skipped = "no_unknown_recipient_checks" in scope.words("receive_override_options")
    return skipped or not scope.is_on("smtpd_reject_unlisted_recipient")


# ---- routes ----------------------------------------------------------------------------------------------------------


def _routed(scope: Scope) -> str:
    """Return the reason if all outbound mail has another next hop already."""
    transport, _, nexthop = scope.value("default_transport").partition(":")
    if nexthop:
        return f'default_transport is "{transport}:{nexthop}", whose next hop prevails'
    parameter = scope.parameter("transport_maps")
    for reference in tables_of(scope, parameter) if parameter else ():
        table = scope.merged.tables.get(own_name(reference.name, scope.facts.directory) or "")
        rows = Entries(table) if table and table.type not in PATTERN_TYPES and holds(table, b"*") else ()
        if any(entry.key == "*" and entry.value.partition(":")[2] for entry in rows):
            return f'{reference.name.rpartition("/")[2]} has a row "*" with a next hop, and takes all mail before it'
    return ""


# ---- TLS and logins --------------------------------------------------------------------------------------------------


def _level_instead(prefix: str) -> Callable[[Scope], str]:
    def why(scope: Scope) -> str:
        level = scope.value(f"{prefix}_tls_security_level").lower()
        asked = scope.is_on(f"{prefix}_enforce_tls")
        weaker = level == "none" or (asked and level in _WEAK)
        return f"{prefix}_tls_security_level is {level}, and prevails over this old parameter" if weaker else ""

    return why


def _logins_unused(scope: Scope) -> str:
    texts = [scope.value(name) for name in (*LISTS, *classes_of(scope))]
    checks = "sender_login_mismatch", "check_policy_service"
    checked = any(check in text for text in texts for check in checks) or any(
        holds(table, check.encode()) for table in scope.merged.tables.values() for check in checks
    )
    return "" if checked else "no list has reject_sender_login_mismatch or its like, which alone asks it"


def _unsaid(word: str) -> Callable[[Scope], str]:
    """Return a reason that holds where no list, class or table has the restriction that reads the setting."""

    def why(scope: Scope) -> str:
        texts = [scope.value(name) for name in (*LISTS, *classes_of(scope))]
        tables = (table for table in scope.merged.tables.values() if mentions(table, [word.encode()]))
        texts += [table.source.decode("utf-8", "replace") for table in tables]
        said = any(word in split_words(text.replace(",", " ").lower()) for text in texts if word in text.lower())
        return "" if said else f"no list has {word}, which alone reads it"

    return why


def _unnoticed(kind: str) -> Callable[[Scope], str]:
    return lambda scope: "" if kind in scope.words("notify_classes") else f"notify_classes does not hold {kind}"


def _overridden(word: str) -> Callable[[Scope], str]:
    name = "receive_override_options"
    return lambda scope: f"{name} has {word}" if word in map(str.lower, scope.words(name)) else ""


def _no_tls(scope: Scope) -> str:
    program = scope.service.command if scope.service else "smtpd"
    level = scope.value(f"{program}_tls_security_level").lower()
    old = any(scope.is_on(f"{program}_{name}_tls") for name in ("use", "enforce"))
    if scope.is_on("smtpd_tls_wrappermode") or (level != "none" and (level or old)):
        return ""
    return f"{program}_tls_security_level is {level or 'empty'}, so STARTTLS is not offered"


def _off(name: str) -> Callable[[Scope], str]:
    return lambda scope: "" if scope.is_on(name) else f"{name} is no"


def _empty(name: str) -> Callable[[Scope], str]:
    return lambda scope: "" if scope.value(name) else f"{name} is empty"


def _without_family(family: str) -> Callable[[Scope], str]:
    def why(scope: Scope) -> str:
        protocols = scope.value("inet_protocols")
        return "" if family in protocols or "all" in protocols else f"inet_protocols is {protocols}"

    return why


def _certificates(prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}_tls_{kind}{what}_file" for kind in ("", "d", "ec") for what in ("cert", "key"))


_HIDING = (
    _Hiding(("mailbox_command", "mailbox_command_maps"), ("local",), _ALL_LOCAL),
    _Hiding(("fallback_transport_maps",), ("local",), _first(_ALL_LOCAL, _unknown_refused)),
    _Hiding(("fallback_transport",), ("local",), _first(_ALL_LOCAL, _unknown_refused)),
    _Hiding(("home_mailbox",), ("local",), _first(_ALL_LOCAL, _COMMAND)),
    _Hiding(("mail_spool_directory",), ("local",), _first(_ALL_LOCAL, _COMMAND, _HOME)),
    _Hiding(("luser_relay",), ("local",), _first(_ALL_LOCAL, _FALLBACK, _unknown_refused)),
    _Hiding(("relayhost", "sender_dependent_relayhost_maps"), ("trivial-rewrite",), _routed),
    _Hiding(("mynetworks_style",), ("smtpd",), _set("mynetworks", "and is used instead")),
    _Hiding(("virtual_mailbox_maps",), ("smtpd",), _empty("virtual_mailbox_domains")),
    _Hiding(("smtp_sender_dependent_authentication",), ("smtp",), _off("smtp_sasl_auth_enable")),
    _Hiding(("bounce_notice_recipient",), ("bounce",), _unnoticed("bounce")),
    _Hiding(("delay_notice_recipient",), ("bounce",), _unnoticed("delay")),
    _Hiding(("2bounce_notice_recipient",), ("bounce",), _unnoticed("2bounce")),
    _Hiding(("relay_recipient_maps",), ("smtpd",), _empty("relay_domains")),
    _Hiding(("masquerade_exceptions",), ("cleanup",), _empty("masquerade_domains")),
    _Hiding(("smtpd_sender_login_maps",), ("smtpd",), _logins_unused),
    _Hiding(("smtp_sasl_password_maps",), ("smtp",), _off("smtp_sasl_auth_enable")),
    _Hiding(("lmtp_sasl_password_maps",), ("lmtp",), _off("lmtp_sasl_auth_enable")),
    _Hiding(("smtp_bind_address",), ("smtp",), _without_family("ipv4")),
    _Hiding(("smtp_bind_address6",), ("smtp",), _without_family("ipv6")),
    _Hiding(("smtp_tls_per_site",), ("smtp",), _set("smtp_tls_policy_maps", "and is used instead")),
    _Hiding(("smtp_enforce_tls", "smtp_use_tls"), ("smtp",), _level_instead("smtp")),
    _Hiding(("smtpd_enforce_tls", "smtpd_use_tls"), ("smtpd",), _level_instead("smtpd")),
    _Hiding(("relay_clientcerts",), ("smtpd",), _unsaid("permit_tls_clientcerts")),
    _Hiding(("permit_mx_backup_networks",), ("smtpd",), _unsaid("permit_mx_backup")),
    _Hiding(("maps_rbl_domains",), ("smtpd",), _unsaid("reject_maps_rbl")),
    _Hiding(("smtpd_milters",), ("smtpd",), _overridden("no_milters")),
    _Hiding(("header_checks", "body_checks"), ("smtpd", "pickup", "qmqpd"), _overridden("no_header_body_checks")),
    _Hiding(("smtpd_sasl_path",), ("smtpd",), _off("smtpd_sasl_auth_enable")),
    _Hiding(("smtpd_tls_cert_file", "smtpd_tls_chain_files"), ("smtpd", "postscreen"), _no_tls),
    _Hiding(_certificates("smtp"), ("smtp",), _set("smtp_tls_chain_files", "and is used instead")),
    _Hiding(_certificates("smtpd"), ("smtpd",), _set("smtpd_tls_chain_files", "and is used instead")),
)

mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "unreachable-setting": (
        "A setting has no effect beside another one. For example, local never asks luser_relay while smtpd refuses "
        "unknown local users, relayhost never counts while default_transport has a next hop, and home_mailbox is not "
        "used while mailbox_command is set. Remove one of the two, or change the one that the finding names."
    ),
}
