"""PostSRSd's look-ups and settings become a section where it rewrites the same, and its secret is sealed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.desired.offers.offer import NotOffered, Offer
from reconciler.desired.offers.sender_rewriting import find
from reconciler.model import File
from tests.unit.desired.offers.grounds import HEAD, after, ground, text, with_postsrsd

if TYPE_CHECKING:
    from reconciler.desired.offers.offer import Ground

MAPS = """\
  # for the members
  sender_canonical_maps: tcp:localhost:10001
  sender_canonical_classes: envelope_sender
  recipient_canonical_maps: tcp:localhost:10002
  recipient_canonical_classes: envelope_recipient,header_recipient
"""
OTHER = (
    "  compatibility_level: 3.6\n  myhostname: mx.test.example\n"
    "  mydestination: mx.test.example srs.example club.example\n"
)
MAIL = HEAD + OTHER + MAPS
MASTER = (
    "smtp inet n - n - - smtpd\npickup unix n - n 60 1 pickup -o x=y\ncleanup unix n - n - 0 cleanup\n"
    "qmgr unix n - n 300 1 qmgr\n"
)
SETTINGS = """\
# set up by hand
SRS_DOMAIN=srs.example
SRS_EXCLUDE_DOMAINS="mx.test.example .friends.example,partner.example"
SRS_SEPARATOR==
SRS_SECRET='/etc/postsrsd.secret'
SRS_HASHLENGTH=4
SRS_HASHMIN=4
SRS_FORWARD_PORT=10001
SRS_REVERSE_PORT=10002   # as shipped
RUN_AS=postsrsd
SRS_LISTEN_ADDR=127.0.0.1
CHROOT=/var/lib/postsrsd
SRS_EXTRA_OPTIONS=
"""
SECRET = "geheim-of-24-letters-abc"
ONE, TWO = f"{SECRET}\n", f"{SECRET}\n{SECRET}2\n"


def srs(mail: str = MAIL, master: str = MASTER, settings: str = SETTINGS, secrets: str = ONE) -> Ground:
    return with_postsrsd(ground(mail, master), settings, secrets)


def offered(before: Ground) -> Offer:
    offer = find(before)
    assert isinstance(offer, Offer), offer
    return offer


def test_the_settings_become_a_section() -> None:
    before = srs()

    offer = offered(before)

    assert text(offer) == (
        "base: none\n\n# for the members\nsender_rewriting:\n  domain: srs.example\n  secrets: [!secret srs]\n"
        "  exclude: [.friends.example, partner.example]\n\nparameters:\n" + OTHER
    )
    assert offer.secret is not None
    assert (offer.secret.name, offer.secret.value) == ("srs", SECRET)
    assert SECRET not in repr(offer)
    assert offer.renamed == {
        "tcp:localhost:10001": "tcp:127.0.0.1:10001",
        "tcp:localhost:10002": "tcp:127.0.0.1:10002",
    }
    assert offer.added == {"cleanup-sendmail/unix"}
    assert offer.restated == offer.moved == {"pickup/unix"}
    assert [line for line in offer.confirm if "rewritten" in line] == [
        "senders in club.example are rewritten no longer, because this host handles their mail",
        "rewritten addresses have a hash of 8 characters instead of 4; both stay valid",
        "senders of mail from sendmail(1) are rewritten no longer",
    ]
    new = after(before, offer)
    made = new.companions["postsrsd"].files
    known = {"mx.test.example", ".friends.example", "partner.example", "srs.example", "club.example"}
    said = dict(line.split("=", 1) for line in made["default"].read().decode().splitlines())
    assert ({*said["SRS_EXCLUDE_DOMAINS"].split(",")}, said["SRS_DOMAIN"]) == (known, "srs.example")
    assert made["secret"].read().decode() == f"{SECRET}\n"


def test_a_pickup_with_a_cleanup_of_its_own_keeps_it() -> None:
    offer = offered(srs(master=MASTER.replace("x=y", "cleanup_service_name=cleanup")))

    assert (offer.added, offer.restated) == (frozenset(), frozenset())
    assert "sendmail" not in "".join(offer.confirm)


def test_a_domain_below_an_excluded_one_is_no_difference() -> None:
    offer = offered(srs(MAIL.replace("club.example", "club.friends.example")))

    assert "rewritten no longer, because" not in "".join(offer.confirm)


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (srs(settings=f"{SETTINGS}. /etc/other\n"), "/etc/default/postsrsd has a line that is more than NAME=VALUE"),
        (
            srs(settings=SETTINGS.replace("=srs.example", "=$(hostname)")),
            "/etc/default/postsrsd has a line that is more than NAME=VALUE",
        ),
        (
            srs(settings=SETTINGS.replace("SRS_DOMAIN=", "#")),
            "SRS_DOMAIN of /etc/default/postsrsd is not set, and not a domain in lower case",
        ),
        (
            srs(settings=f"{SETTINGS}SRS_EXTRA_OPTIONS=-A\n"),
            "PostSRSd has SRS_EXTRA_OPTIONS, which the section can't say",
        ),
        (srs(settings=f"{SETTINGS}SRS_SEPARATOR=+\n"), "PostSRSd has SRS_SEPARATOR=+, and the section ="),
        (srs(settings=f"{SETTINGS}SRS_HASHLENGTH=9\n"), "PostSRSd has SRS_HASHLENGTH=9, and the section 8"),
        (srs(settings=f"{SETTINGS}RUN_AS=\n"), "PostSRSd has RUN_AS=, and the section postsrsd"),
        (
            srs(settings=SETTINGS.replace("partner.example", "Partner")),
            "PostSRSd excludes Partner, which is not a domain in lower case",
        ),
        (srs(secrets=TWO), "/etc/postsrsd.secret has 2 secrets, and import seals one"),
        (srs(secrets="short\n"), "the secret of PostSRSd is shorter than 16 characters, or has blanks"),
        (
            srs(MAIL.replace("10002", "10003")),
            "recipient_canonical_maps is tcp:localhost:10003, and the section asks PostSRSd alone, on port 10002",
        ),
        (
            srs(MAIL.replace("tcp:localhost:10001", "hash:/x tcp:localhost:10001")),
            "sender_canonical_maps is hash:/x tcp:localhost:10001, and the section asks PostSRSd alone, on port 10001",
        ),
        (
            srs(MAIL.replace("envelope_recipient,", "")),
            "recipient_canonical_classes is header_recipient, and the section has envelope_recipient, header_recipient",
        ),
        (
            srs(master=MASTER.replace("smtpd\n", "smtpd -o sender_canonical_maps=\n")),
            "a service of master.cf has canonical maps of its own",
        ),
        (
            srs(master=MASTER.replace("0 cleanup", "0 cleanup -o header_checks=")),
            "cleanup has options, which the section's cleanup for mail from sendmail(1) would lack",
        ),
        (
            srs(f"{MAIL}  non_smtpd_milters: unix:/opendkim/sock\n", MASTER.replace("n - n - 0", "n - y - 0")),
            "cleanup finds a Milter below its chroot, and the section's cleanup is in none",
        ),
        (
            ground(MAIL, MASTER),
            "the files of PostSRSd 1 on this host are not known, and tcp:localhost:10001 may be another program",
        ),
    ],
)  # fmt: skip
def test_what_the_section_can_not_say_stays_and_is_said_why(before: Ground, why: str) -> None:
    assert find(before) == NotOffered(why)


def test_a_secret_of_the_commit_is_never_replaced() -> None:
    before = srs()
    files = {**before.files, "secrets/srs.age": File.of(b"-----BEGIN AGE ENCRYPTED FILE-----\n")}

    assert find(replace(before, files=files)) == NotOffered("the commit has a secret srs already")


def test_without_its_look_ups_there_is_nothing_to_say() -> None:
    assert find(srs(f"{HEAD}{OTHER}")) is None
    assert find(srs(f"{HEAD}{OTHER}  sender_canonical_maps: hash:/etc/x\n")) is None
