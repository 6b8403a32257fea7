"""compatibility_level is raised, and each default that would change with it is written out."""

from __future__ import annotations

import pytest

from reconciler.desired.offers.level import find
from tests.shapes import SHAPES
from tests.unit.desired.offers.grounds import HEAD, after, ground, imported, text

MASTER = "smtp inet n - - - - smtpd\n  -o x=-\n# kept\nlocal unix - n n - - local\nqmgr unix n - - 300 1 qmgr\n"


def test_a_host_without_a_level_keeps_its_defaults_and_its_chroot() -> None:
    before = ground(f"{HEAD}  relay_domains: example.org\n", MASTER)

    offer = find(before)

    assert offer is not None
    values = {name: one.value for name, one in after(before, offer).parameters.items()}
    assert values == {
        "compatibility_level": "3.6", "relay_domains": "example.org", "append_dot_mydomain": "yes",
        "mynetworks_style": "subnet", "respectful_logging": "no", "smtpd_relay_restrictions": "",
        "smtpd_relay_before_recipient_restrictions": "no", "smtputf8_enable": "no",
        **dict.fromkeys((f"{one}_tls_fingerprint_digest" for one in ("lmtp", "smtp", "smtpd")), "md5"),
    }  # fmt: skip
    assert text(offer, "master.d/host.cf") == (
        "smtp inet n - y - - smtpd\n  -o x=-\n# kept\nlocal unix - n n - - local\nqmgr unix n - y 300 1 qmgr\n"
    )
    assert "mynetworks_style stays subnet, instead of host" in offer.confirm
    assert "the chroot of 2 services" in offer.summary


def test_a_default_that_names_others_is_written_with_the_names() -> None:
    assert "  relay_domains: $mydestination\n" in text(find(ground(f"{HEAD}  mydestination: localhost\n")))


def test_from_level_2_only_what_came_since_is_written_out() -> None:
    offer = find(ground(f"{HEAD}  # by the package\n  compatibility_level: 2\n", MASTER))

    assert offer is not None
    assert set(offer.files) == {"mail.yaml"}
    assert text(offer).startswith(f"{HEAD}  # by the package\n  compatibility_level: 3.6\n")
    assert "mynetworks_style" not in text(offer)
    assert "respectful_logging" in text(offer)


@pytest.mark.parametrize("level", ["3.6", "3.11", "4", "$x"])
def test_the_newest_level_is_left_alone(level: str) -> None:
    assert find(ground(f"{HEAD}  compatibility_level: {level}\n")) is None


@pytest.mark.parametrize("level", ["$mine", "${mine?{3.6}:{0}}", "${{$mine} >=level {3.6} ? {4} : {1}}"])
def test_a_level_that_is_an_expression_counts_as_what_it_means(level: str) -> None:
    assert find(ground(f"{HEAD}  mine: 3.6\n  compatibility_level: '{level}'\n")) is None
    older = find(ground(f"{HEAD}  mine: 2\n  compatibility_level: $mine\n"))
    assert older is not None
    assert older.summary.startswith("raise compatibility_level from 2 to 3.6")
    assert "mynetworks_style" not in text(older)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_written_keeps_its_value(shape: str) -> None:
    before = imported(shape)
    if offer := find(before):
        new = after(before, offer)
        for name, one in before.origin.parameters.items():
            assert name == "compatibility_level" or new.parameters[name].value == one.value
