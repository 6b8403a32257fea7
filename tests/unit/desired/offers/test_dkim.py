"""What opendkim signs becomes a section where rspamd signs the same domains with its key; else the reason is said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.desired.offers.dkim import find
from reconciler.desired.offers.offer import NotOffered, Offer
from reconciler.model import File
from tests.unit.desired.offers.grounds import HEAD, after, ground, text, with_opendkim
from tests.unit.dkim_keys import KEY

if TYPE_CHECKING:
    from reconciler.desired.offers.offer import Ground

CONF = (
    "Domain example.com\nSelector s1\nKeyFile /k\nSocket inet:8891@localhost\nInternalHosts 127.0.0.1, 192.0.2.0/24\n"
)
LISTS = "  # since 2019\n  smtpd_milters: inet:localhost:8891\n  non_smtpd_milters: $smtpd_milters\n"
MAIL = f"{HEAD}  biff: no\n{LISTS}"
MASTER = "smtp inet n - n - - smtpd\nback inet n - n - - smtpd -o smtpd_milters=\n"


def signing(mail: str = MAIL, master: str = MASTER, conf: str = CONF) -> Ground:
    return with_opendkim(ground(mail, master), conf=conf, k=KEY)


def test_the_settings_of_opendkim_become_a_section() -> None:
    before = signing()

    offer = find(before)

    assert isinstance(offer, Offer), offer
    assert text(offer) == (
        "base: none\n\n# since 2019\ndkim:\n  selector: s1\n  key: !secret dkim-s1\n  domains: [example.com]\n"
        '  networks: ["192.0.2.0/24"]\n\nparameters:\n  biff: no\n'
    )
    assert offer.secret is not None
    assert (offer.secret.name, offer.secret.value) == ("dkim-s1", KEY)
    assert KEY.splitlines()[1] not in repr(offer)
    assert offer.confirm == (
        "the private key is sealed in secrets/dkim-s1.age; /k stays where it is",
        "rspamd signs instead of opendkim, which is asked no longer and runs until you stop it",
        "a signature covers the header fields that rspamd chooses, and never Received",
        "the canonicalization is relaxed/relaxed instead of simple/simple",
        "signatures of mail from elsewhere are verified no longer, and it gets no Authentication-Results header",
        "mail over the loopback interface is signed from all of its addresses (127.0.0.0/8 and ::1)",
    )
    new = after(before, offer)
    assert {new.parameters[name].value for name in offer.changed} == {
        "{ inet:localhost:11332, default_action=tempfail }"
    }
    made = new.companions["rspamd"].files["override.d/dkim_signing.conf"].read().decode()
    assert f'key_table = ["example.com %:s1:{"".join(KEY.splitlines()[1:-1])}"];' in made
    assert '"192.0.2.0/24"]' in made


@pytest.mark.parametrize(
    "mail",
    [
        f"{MAIL}  milter_default_action: accept\n",
        MAIL.replace("inet:localhost:8891", '"{ inet:localhost:8891, default_action=accept }"'),
    ],
)
def test_mail_that_is_accepted_while_the_signer_is_down_still_is(mail: str) -> None:
    assert "  default_action: accept\n" in text(offered(signing(mail)))


@pytest.mark.parametrize(("more", "gone"), [("", True), ("  x_also: $ours\n", False)])
def test_a_parameter_of_its_own_goes_with_the_lists_if_nothing_else_names_it(more: str, *, gone: bool) -> None:
    named = "  ours: inet:localhost:8891\n" + LISTS.replace("inet:localhost:8891", "$ours") + more

    offer = offered(signing(f"{HEAD}  biff: no\n{named}"))

    assert ("ours: inet" not in text(offer)) is gone
    assert ("ours" in offer.changed) is gone


def test_a_protocol_that_rspamd_does_not_speak_is_left_out() -> None:
    offer = offered(signing(f"{MAIL}  milter_protocol: 2\n"))

    assert "milter_protocol" not in text(offer)
    assert "milter_protocol" in offer.changed
    assert "milter_protocol is left out: rspamd does not speak 2" in offer.confirm


@pytest.mark.parametrize("socket", ["local:/var/spool/postfix/opendkim/sock", "/var/spool/postfix/opendkim/sock"])
def test_a_socket_in_the_chroot_is_the_same(socket: str) -> None:
    mail, conf = MAIL.replace("inet:localhost:8891", "unix:opendkim/sock"), CONF.replace("inet:8891@localhost", socket)

    assert offered(signing(mail, conf=conf)).changed == {"smtpd_milters", "non_smtpd_milters"}


def offered(before: Ground) -> Offer:
    offer = find(before)
    assert isinstance(offer, Offer), offer
    return offer


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (signing(conf=f"{CONF}Mode v\n"), "opendkim does not sign (mode v)"),
        (
            signing(MAIL.replace("8891", "8891, inet:x:1")),
            "smtpd_milters is inet:localhost:8891, inet:x:1, and the section asks one Milter alone, in both lists",
        ),
        (
            signing(MAIL.replace("  non_smtpd", "  x_non_smtpd")),
            "non_smtpd_milters is empty, and the section asks one Milter alone, in both lists",
        ),
        (
            signing(conf=CONF.replace("8891", "8892")),
            "smtpd_milters is inet:localhost:8891, and opendkim listens on inet:8892@localhost",
        ),
        (
            signing(conf=CONF.replace("Socket inet:8891@localhost\n", "")),
            "smtpd_milters is inet:localhost:8891, and opendkim listens on no socket that it names",
        ),
        (
            signing(f"{MAIL}  milter_default_action: reject\n"),
            "the action of Postfix while opendkim is down is reject, and the section has tempfail or accept",
        ),
        (
            signing(f"{MAIL}  milter_mail_macros: i\n"),
            "milter_mail_macros lacks {auth_authen}, by which rspamd knows a login",
        ),
        (
            signing(master=f"{MASTER}x inet n - n - - smtpd -o smtpd_milters=inet:localhost:9\n"),
            "x/inet has smtpd_milters of its own",
        ),
        (
            signing(master=f"{MASTER}x inet n - n - - smtpd -o milter_protocol=2\n"),
            "x/inet has milter_protocol of its own",
        ),
        (
            replace(signing(), facts=ground(MAIL).facts),
            "the package rspamd, with which the section signs, is not installed",
        ),
        (
            replace(signing(), files={**signing().files, "secrets/dkim-s1.age": File.of(b"x")}),
            "the commit has a secret dkim-s1 already",
        ),
    ],
)  # fmt: skip
def test_what_the_section_can_not_say_stays_and_is_said_why(before: Ground, why: str) -> None:
    assert find(before) == NotOffered(why)


@pytest.mark.parametrize(
    ("mail", "master", "said"),
    [
        ("  smtpd_milters: inet:localhost:8891\n", "", "smtpd_milters asks opendkim, which may sign"),
        ("  smtpd_milters: unix:opendkim/opendkim.sock\n", "", "smtpd_milters asks opendkim, which may sign"),
        ("  non_smtpd_milters: inet:127.0.0.1:11332\n", "", "non_smtpd_milters asks rspamd, which may sign"),
        ("  m: inet:127.0.0.1:11332\n  smtpd_milters: $m\n", "", "smtpd_milters asks rspamd, which may sign"),
        (
            "", "submission inet n - n - - smtpd -o smtpd_milters=local:run/dkimpy-milter.sock\n",
            "smtpd_milters asks dkimpy-milter, which may sign",
        ),
    ],
)  # fmt: skip
def test_a_signer_is_known_by_its_socket(mail: str, master: str, said: str) -> None:
    found = find(ground(f"{HEAD}  biff: no\n{mail}", f"smtp inet n - n - - smtpd\n{master}"))

    assert isinstance(found, NotOffered)
    assert found.why.partition(":")[0] == said


@pytest.mark.parametrize("mail", ["", "  smtpd_milters: inet:localhost:113320\n", "  x: inet:localhost:8891\n"])
def test_another_milter_is_none(mail: str) -> None:
    assert find(ground(f"{HEAD}  biff: no\n{mail}", "smtp inet n - n - - smtpd\n")) is None


def test_the_section_itself_is_none() -> None:
    mail = f"dkim: {{enabled: no}}\n{HEAD}  smtpd_milters: inet:localhost:11332\n"

    assert find(ground(mail, "smtp inet n - n - - smtpd\n")) is None
