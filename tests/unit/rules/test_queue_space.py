"""The space that smtpd needs in the queue."""

from __future__ import annotations

import pytest

from reconciler.desired.lint import mentioned
from reconciler.features.composition import compose
from reconciler.model import Facts, Space
from tests.unit.desired_states import desired, findings_of, only_finding
from tests.unit.host_facts import HOST, facts

QUEUE, FREE = "/var/spool/postfix", 20 << 30


def host(parameters: dict[str, str], files: dict[str, str] | None = None) -> Facts:
    """A host whose queue has 20 GiB free."""
    asked = mentioned(compose(desired(parameters, files), HOST), HOST).spaces
    return facts(spaces={space: "" if space.bytes < FREE else "only 20,480 MiB are free" for space in asked})


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"message_size_limit": "0"},  # no limit, and no check
        {"message_size_limit": "14000000000", "queue_minfree": "20000000000"},
        {"message_size_limit": "many"},  # another rule's
    ],
)
def test_enough_space_is_no_finding(parameters: dict[str, str]) -> None:
    assert findings_of("queue-too-small", parameters, facts=host(parameters)) == []


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"message_size_limit": "15000000000"}, "message_size_limit = 15000000000 needs 1.5 times as many bytes free"),
        ({"queue_minfree": "30000000000"}, "queue_minfree = 30000000000 needs as many bytes free in /var/spool/post"),
    ],
)
def test_too_little_space_is_an_error_of_the_moment(parameters: dict[str, str], says: str) -> None:
    (finding,) = findings_of("queue-too-small", parameters, facts=host(parameters))
    assert says in finding.text
    assert "where only 20,480 MiB are free: smtpd would answer 452 to all mail" in finding.text
    assert finding.is_error
    assert not finding.lasting
    assert finding.where.line


def test_the_option_of_a_listener_counts_and_that_of_another_program_does_not() -> None:
    big = {"master.d/x.cf": "2525 inet n - n - - smtpd\n  -o message_size_limit=99000000000\n"}
    assert "x.cf:2:" in only_finding("queue-too-small", {}, big, host({}, big))
    other = {"master.d/x.cf": "x unix n - n - 0 cleanup\n  -o message_size_limit=99000000000\n"}
    assert findings_of("queue-too-small", {}, other, host({}, other)) == []


def test_the_queue_is_where_main_cf_says() -> None:
    named = mentioned(compose(desired({"queue_directory": "/srv/q", "queue_minfree": "1000"}), HOST), HOST)
    assert named.spaces == {Space("/srv/q", 1000)}


def test_what_is_unknown_is_no_finding() -> None:
    assert findings_of("queue-too-small", {"message_size_limit": "1000000000000"}, facts=facts()) == []
