"""Debian's example services are left out where nothing routes to them, with the package's own comments."""

from __future__ import annotations

import pytest

from reconciler.desired.offers.example_pipes import find
from tests.shapes import SHAPES, files_of
from tests.unit.desired.offers.grounds import HEAD, after, ground, imported, text

MASTER = files_of("debian")["master.cf"].decode()
PIPES = {"maildrop/unix", "uucp/unix", "ifmail/unix", "bsmtp/unix", "scalemail-backend/unix", "mailman/unix"}
HOST_CF = "master.d/host.cf"


def test_all_six_go_with_their_comments_and_nothing_else() -> None:
    before = ground(f"{HEAD}  mydestination: localhost\n", MASTER)

    offer = find(before)

    assert offer is not None
    assert offer.gone == PIPES
    left = text(offer, HOST_CF)
    assert left == MASTER[: len(left)]
    assert left.rstrip("\n").endswith("postlogd")
    assert after(before, offer).services.keys() == before.origin.services.keys() - PIPES


@pytest.mark.parametrize(
    ("setting", "kept"),
    [
        ("mailbox_transport: maildrop", "maildrop"), ("transport_maps: 'inline:{ old.example=uucp:relay }'", "uucp"),
        ("header_checks: 'regexp:{ {/^X-List/ FILTER mailman:x} }'", "mailman"),
        ("maildrop_destination_recipient_limit: 1", "maildrop"), ("virtual_transport: bsmtp", "bsmtp"),
    ],
)  # fmt: skip
def test_one_that_a_setting_names_stays(setting: str, kept: str) -> None:
    offer = find(ground(f"{HEAD}  {setting}\n", MASTER))

    assert offer is not None
    assert offer.gone == PIPES - {f"{kept}/unix"}
    assert f"\n{kept} " in text(offer, HOST_CF)


def test_all_stay_where_a_table_outside_the_commit_may_name_any() -> None:
    assert find(ground(f"{HEAD}  transport_maps: hash:/etc/mail/transport\n", MASTER)) is None


def test_one_in_a_table_of_the_commit_stays() -> None:
    before = ground(
        f"{HEAD}  transport_maps: hash:/etc/postfix/transport\n", MASTER, transport__hash="old.example uucp:relay\n"
    )

    offer = find(before)

    assert offer is not None
    assert offer.gone == PIPES - {"uucp/unix"}


def test_one_that_somebody_explains_or_has_changed_stays() -> None:
    master = MASTER.replace("ifmail    unix", "# the old FidoNet gate\nifmail    unix")
    master = master.replace("user=vmail", "user=mail")
    master = master.replace("user=bsmtp", "# for the branch office\n  user=bsmtp").replace(
        "  flags=Fq. #", "  flags=Fq.\n  #"
    )

    offer = find(ground(f"{HEAD}  mydestination: localhost\n", master))

    assert offer is not None
    assert offer.gone == PIPES - {"ifmail/unix", "maildrop/unix", "bsmtp/unix"}
    assert "# the old FidoNet gate\nifmail " in text(offer, HOST_CF)


def test_a_second_time_there_is_nothing_left() -> None:
    mail = f"{HEAD}  mydestination: localhost\n"

    assert find(ground(mail, text(find(ground(mail, MASTER)), HOST_CF))) is None


@pytest.mark.parametrize("shape", SHAPES)
def test_every_other_service_stays(shape: str) -> None:
    before = imported(shape)
    if offer := find(before):
        assert after(before, offer).services.keys() == before.origin.services.keys() - offer.gone
        assert offer.gone <= PIPES
