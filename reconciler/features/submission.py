"""``submission``: where people's mail programs hand in mail (RFC 6409, RFC 8314): port 587, and 465 as *wrapper*.

Nothing goes without TLS and a login there, not even mail to this host's own domains. What main.cf asks of strangers
(block lists, names in HELO, greylisting) is not asked of those who have logged in; smtpd_sender_restrictions stay in
force, for they say who may send as whom.

That there is a certificate is asked by rules/consistency.py, and that Dovecot answers by rules/reachability.py.

Known limit: that a login works at all shows when somebody logs in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from reconciler.model import Contribution, Finding, Parameter, Service, error_at, nothing_mentioned
from reconciler.postfix.restrictions import smtpd_scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts, Where

SECTION = "submission"
_OPTIONS = {
    "smtpd_tls_security_level": "encrypt",
    "smtpd_tls_auth_only": "yes",
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_client_restrictions": "",
    "smtpd_helo_restrictions": "",
    "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
    "smtpd_recipient_restrictions": "",
    "smtpd_reject_unlisted_recipient": "no",  # a mail program is told by a bounce, which its user can read
    "local_header_rewrite_clients": "permit_sasl_authenticated",
    "milter_macro_daemon_name": "ORIGINATING",
}
_WRAPPER = {"smtpd_tls_wrappermode": "yes"}
_SASL = ("smtpd_sasl_type", "smtpd_sasl_path")


class Schema(BaseModel, extra="forbid", frozen=True):
    """*enabled* is port 587 with STARTTLS, *wrapper* port 465 with TLS from the first byte as well."""

    enabled: bool = True
    wrapper: bool = True

    @property
    def services(self) -> frozenset[str]:
        """The services that it brings."""
        if not self.enabled:
            return frozenset()
        return frozenset({"submission/inet", *(["submissions/inet"] if self.wrapper else [])})


def services(section: object) -> frozenset[str]:
    """The listeners of mail programs."""
    return section.services if isinstance(section, Schema) else frozenset()


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute the services submission and submissions."""
    section = desired.section(Schema)
    brought = section.services if section else frozenset[str]()
    where = desired.where(SECTION)
    services = {key: _service(key.partition("/")[0], where) for key in sorted(brought)}
    return Contribution(services=services)


def _service(name: str, where: Where) -> Service:
    options = {"syslog_name": f"postfix/{name}"} | _OPTIONS | (_WRAPPER if name == "submissions" else {})
    overrides = tuple(Parameter(option, value, where, name) for option, value in options.items())
    return Service(name=name, type="inet", private="n", command="smtpd", overrides=overrides, where=where)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Nobody else brings the services, and somebody knows the passwords."""
    section = desired.section(Schema)
    brought = section.services if section else frozenset[str]()
    for service in desired.services:
        if service.key in brought:
            what = (
                f"duplicate service: submission brings {service.key} already, and this one would replace it; change it"
                ' under "services:" in mail.yaml'
            )
            yield error_at("duplicate-service", service.where, what, service.key)
    own = [scope for scope in smtpd_scopes(merged, facts) if scope.service and scope.service.key in brought]
    if own and not any(scope.parameter(name) for scope in own for name in _SASL):
        what = (
            "submission needs a SASL server that knows the passwords, and neither smtpd_sasl_type nor "
            "smtpd_sasl_path is set;"
            " for Dovecot write parameters: {smtpd_sasl_type: dovecot, smtpd_sasl_path: private/auth}, for Cyrus SASL"
            " {smtpd_sasl_type: cyrus}"
        )
        yield error_at("nobody-logs-in", desired.where(SECTION), what, SECTION)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "nobody-logs-in": (
        "Mail programs are to log in, and nothing says who knows their passwords. Postfix would ask Cyrus SASL, which "
        "knows no user unless it was set up. Set smtpd_sasl_type, and smtpd_sasl_path to where Dovecot listens."
    ),
}
