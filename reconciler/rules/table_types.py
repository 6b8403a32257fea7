"""The type of a table must fit what is looked up in it: header lines need patterns, and networks hold no addresses.

A plain table of header lines would need each whole line as a key. A table of type cidr knows the addresses of clients
and servers, and never matches a mail address or a domain. Raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.references import own_name, tables_in, tables_of
from reconciler.postfix.restrictions import LISTS, WITH_TABLE, classes_of, parsed
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_LINES = names(
    """
    body_checks header_checks lmtp_body_checks lmtp_header_checks lmtp_mime_header_checks lmtp_nested_header_checks
    milter_header_checks mime_header_checks nested_header_checks smtp_body_checks smtp_header_checks
    smtp_mime_header_checks smtp_nested_header_checks
    """
)
_PLAIN = names("btree cdb dbm hash lmdb texthash")
_ADDRESSES = names(
    """
    alias_maps canonical_maps local_recipient_maps mydestination recipient_bcc_maps recipient_canonical_maps
    relay_domains relay_recipient_maps relocated_maps sender_bcc_maps sender_canonical_maps
    sender_dependent_default_transport_maps sender_dependent_relayhost_maps smtp_generic_maps smtp_tls_policy_maps
    smtpd_sender_login_maps transport_maps virtual_alias_domains virtual_alias_maps virtual_mailbox_domains
    virtual_mailbox_maps
    """
)
_IN_SETTINGS = _LINES | _ADDRESSES
_BY_ADDRESS = names("check_sender_access check_recipient_access check_sasl_access check_ccert_access")


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that each table that a setting names can match."""
    types = {table.name: table.type for table in desired.tables.values()}
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            for use, text in _uses(scope, parameter):
                for reference in tables_in(text):
                    kind = types.get(own_name(reference.name, facts.directory) or "", reference.type)
                    yield from _useless(scope, parameter, use, kind, reference.name)


def _uses(scope: Scope, parameter: Parameter) -> Iterator[tuple[str, str]]:
    """Yield what is looked up in the tables of a setting, each with the text that names the table."""
    if parameter.name in _IN_SETTINGS:
        yield from ((parameter.name, str(reference)) for reference in tables_of(scope, parameter))
    elif parameter.name in LISTS or parameter.name in classes_of(scope):
        for restriction in parsed(scope.expanded(parameter.value) or ""):
            if restriction.name in WITH_TABLE:
                yield restriction.name, restriction.argument or ""


def _useless(scope: Scope, parameter: Parameter, use: str, kind: str, name: str) -> Iterator[Finding]:
    short = name.rpartition("/")[2]
    if use in _LINES and kind in _PLAIN:
        what = (
            f'{use}: "{short}" has the type {kind}, whose keys are whole texts: each header or line would have to be a'
            " key itself, so nothing matches; did you mean a table of type regexp?"
        )
    elif use in _ADDRESSES | _BY_ADDRESS and kind == "cidr":
        what = (
            f'{use}: "{short}" has the type cidr, which matches the addresses of hosts, and {use} never looks one up:'
            " nothing matches; did you mean check_client_access, or a plain table?"
        )
    else:
        return
    yield scope.finding("table-never-matches", parameter, what, short)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "table-never-matches": (
        "The type of a table does not fit what Postfix looks up in it, so no entry ever matches. Checks of headers and "
        "bodies need patterns (a file NAME.regexp or NAME.pcre), and a table of type cidr is for the addresses of "
        "clients and servers."
    ),
}
