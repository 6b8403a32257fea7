"""``submission``: the services for mail programs (RFC 6409, RFC 8314): port 587, and port 465 as *wrapper*.

They accept no mail without TLS and a login, not even for this host's own domains. Clients that have logged in skip what
main.cf requires of strangers (block lists, names in HELO, greylisting). smtpd_sender_restrictions stay in force,
because they decide which account may use which sender.

rules/consistency.py checks that there is a certificate, and rules/reachability.py checks that Dovecot answers.

Known limit: no rule tries a login; only a user's first login shows that it works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.features.section import Section
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
    "smtpd_reject_unlisted_recipient": "no",  # the sender learns it from a bounce, which is readable
    "local_header_rewrite_clients": "permit_sasl_authenticated",
    "milter_macro_daemon_name": "ORIGINATING",
}
_WRAPPER = {"smtpd_tls_wrappermode": "yes"}
_SASL = ("smtpd_sasl_type", "smtpd_sasl_path")


class Schema(Section):
    """*enabled* is port 587 with STARTTLS; *wrapper* adds port 465 with TLS from the first byte."""

    enabled: bool = True
    wrapper: bool = True

    @property
    def services(self) -> frozenset[str]:
        """The services that the section adds."""
        if not self.enabled:
            return frozenset()
        return frozenset({"submission/inet", *(["submissions/inet"] if self.wrapper else [])})


def services(section: object) -> frozenset[str]:
    """Return the services that mail programs connect to."""
    return section.services if isinstance(section, Schema) else frozenset()


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute the services submission and submissions."""
    section = desired.section(Schema)
    brought = section.services if section else frozenset[str]()
    where = desired.where(SECTION)
    services = {key: service_for(key.partition("/")[0], where) for key in sorted(brought)}
    return Contribution(services=services)


def service_for(name: str, where: Where) -> Service:
    """Return the service of that name, submission or submissions, as the section adds it."""
    options = {"syslog_name": f"postfix/{name}"} | _OPTIONS | (_WRAPPER if name == "submissions" else {})
    overrides = tuple(Parameter(option, value, where, name) for option, value in options.items())
    return Service(name=name, type="inet", private="n", command="smtpd", overrides=overrides, where=where)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that master.d does not replace the services, and that a SASL server checks passwords."""
    section = desired.section(Schema)
    brought = section.services if section else frozenset[str]()
    for service in desired.services:
        if service.key in brought:
            what = (
                f"duplicate service: submission already adds {service.key}, and this one would replace it; change it"
                ' under "services:" in mail.yaml'
            )
            yield error_at("duplicate-service", service.where, what, service.key)
    own = [scope for scope in smtpd_scopes(merged, facts) if scope.service and scope.service.key in brought]
    if own and not any(scope.parameter(name) for scope in own for name in _SASL):
        what = (
            "submission needs a SASL server that checks passwords, but neither smtpd_sasl_type nor smtpd_sasl_path is"
            " set; for Dovecot write parameters: {smtpd_sasl_type: dovecot, smtpd_sasl_path: private/auth}, for Cyrus"
            " SASL {smtpd_sasl_type: cyrus}"
        )
        yield error_at("nobody-logs-in", desired.where(SECTION), what, SECTION)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "nobody-logs-in": (
        "Mail programs must log in, but no setting names the server that checks their passwords. Postfix would use "
        "Cyrus SASL, which knows no users until it is set up. Set smtpd_sasl_type, and set smtpd_sasl_path to the "
        "socket of Dovecot."
    ),
}
