"""The services for mail programs become a section, with what they have beside it under services."""

from __future__ import annotations

import pytest

from reconciler.desired.offers.offer import NotOffered, Offer
from reconciler.desired.offers.submission import find
from reconciler.postfix.scopes import Scope, words
from tests.unit.desired.offers.grounds import HEAD, after, ground, imported, text

MAIL = f"{HEAD}  compatibility_level: 3.6\n  smtpd_tls_auth_only: yes\n"
OTHER = "smtp inet n - n - - smtpd\n"
OPTIONS = """\
  -o syslog_name=postfix/{0}
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_reject_unlisted_recipient=no
  -o smtpd_client_restrictions=
  -o smtpd_helo_restrictions=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=
  -o local_header_rewrite_clients=permit_sasl_authenticated
  -o milter_macro_daemon_name=ORIGINATING
"""
FIRST = f"# people\nsubmission inet n - n - - smtpd\n{OPTIONS.format('submission')}"
SECOND = f"submissions inet n - n - - smtpd\n{OPTIONS.format('submissions')}  -o smtpd_tls_wrappermode=yes\n"


def offered(mail: str, master: str) -> Offer:
    offer = find(ground(mail, master))
    assert isinstance(offer, Offer), offer
    return offer


def test_what_the_section_says_becomes_the_section() -> None:
    offer = offered(MAIL, OTHER + FIRST + SECOND)

    assert text(offer) == (
        "base: none\n\n# people\nsubmission: {enabled: yes, wrapper: yes}\n\n"
        "parameters:\n  compatibility_level: 3.6\n  smtpd_tls_auth_only: yes\n"
    )
    assert text(offer, "master.d/host.cf") == OTHER
    assert offer.moved == offer.restated == {"submission/inet", "submissions/inet"}
    assert [line for line in offer.confirm if "follows" in line] == [
        "submission/inet has main.cf's present value of smtpd_tls_auth_only, and no longer follows main.cf there",
        "submissions/inet has main.cf's present value of smtpd_tls_auth_only, and no longer follows main.cf there",
    ]


def test_what_differs_is_written_beside_it() -> None:
    master = FIRST.replace("n - n - -", "n - y - 50").replace("clients=permit_sasl_authenticated", "clients=static:all")
    master = master.replace("-o smtpd_helo_restrictions=\n", "-o smtpd_helo_restrictions=$mua_helo_restrictions\n")
    master = master.replace("  -o milter", "  -o smtpd_sender_restrictions=reject_sender_login_mismatch\n  -o milter")
    mail = MAIL.replace("auth_only: yes", "auth_only: no")

    offer = offered(mail, OTHER + master + SECOND.replace("  -o local", "  -o smtpd_tls_auth_only=yes\n  -o local"))

    section = text(offer).partition("parameters:")[0].partition("base: none\n\n")[2]
    assert section == (
        "submission: {enabled: yes, wrapper: yes}\n\nservices:\n  # people\n  submission/inet:\n"
        "    maxproc: 50\n    chroot: y\n    options:\n      smtpd_helo_restrictions: $mua_helo_restrictions\n"
        "      local_header_rewrite_clients: static:all\n"
        "      smtpd_sender_restrictions: reject_sender_login_mismatch\n      smtpd_tls_auth_only: no\n\n"
    )


@pytest.mark.parametrize("master", [FIRST, FIRST + SECOND, FIRST.replace("encrypt", "encrypt\n  -o smtpd_delay=1")])
def test_every_parameter_has_the_value_that_it_had_in_the_service(master: str) -> None:
    before = ground(MAIL, OTHER + master)
    offer = offered(MAIL, OTHER + master)
    new = after(before, offer)

    for key in offer.restated:
        scopes = [Scope(one, before.facts, one.services[key]) for one in (before.origin, new)]
        names = {option.name for scope in scopes for option in scope.written}
        old, now = ({name: words(scope.value(name)) for name in names} for scope in scopes)
        assert old == now


@pytest.mark.parametrize(
    ("master", "why"),
    [
        (FIRST.replace("encrypt", "may"), "submission/inet takes mail without TLS (smtpd_tls_security_level = may)"),
        (FIRST.replace("enable=yes", "enable=no"), "submission/inet knows no logins (smtpd_sasl_auth_enable = no)"),
        (FIRST.replace("smtpd\n", "smtpd -v\n", 1), "submission/inet runs smtpd -v, and not smtpd alone"),
        (SECOND, "submissions/inet stands alone, and the section has port 465 only beside 587"),
        (FIRST + SECOND.replace("mode=yes", "mode=no"), "submissions/inet has smtpd_tls_wrappermode = no"),
        (
            "submission inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes\n",
            "its options differ from those of the section, which would save no line",
        ),
    ],
)
def test_what_the_section_can_not_say_stays_and_is_said_why(master: str, why: str) -> None:
    assert find(ground(MAIL, OTHER + master)) == NotOffered(why)


@pytest.mark.parametrize("level", ["3.6", "$mine"])
def test_what_main_cf_leaves_to_the_level_has_the_value_at_the_level(level: str) -> None:
    master = FIRST.replace("  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n", "")
    offer = offered(MAIL.replace("level: 3.6", f"level: {level}\n  mine: 3.6"), OTHER + master)

    assert "smtpd_relay_restrictions: permit_mynetworks, permit_sasl_authenticated, defer" in text(offer)


def test_other_services_of_mail_yaml_are_left_alone() -> None:
    mail = f"{MAIL}services:\n  smtp/inet: {{maxproc: 5}}\n"

    assert find(ground(mail, OTHER + FIRST)) == NotOffered("mail.yaml has services already, which may change these too")


def test_without_such_services_there_is_nothing_to_say() -> None:
    assert find(ground(MAIL, OTHER)) is None
    assert find(ground(f"{MAIL}submission: {{}}\n", OTHER)) is None
    assert find(imported("debian")) is None


def test_a_service_of_another_name_stays_in_master_d() -> None:
    offer = offered(MAIL, OTHER + FIRST + SECOND.replace("submissions inet", "smtps inet"))

    assert text(offer, "master.d/host.cf").count("smtps inet") == 1
    assert "wrapper: no" in text(offer)


def test_a_second_time_there_is_nothing_left() -> None:
    offer = offered(MAIL, OTHER + FIRST + SECOND)

    assert find(ground(text(offer), text(offer, "master.d/host.cf"))) is None
