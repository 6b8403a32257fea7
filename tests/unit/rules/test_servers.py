"""Places of servers that smtpd(8) asks can be read."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:8891", "inet:127.0.0.1", "inet:h:99999", "inet:8891@h", "unix:", "/run/x", "inet:h:nosuch"]
)
def test_a_server_whose_place_cannot_be_read_is_refused(endpoint: str) -> None:
    assert endpoint in only_finding("malformed-endpoint", {"smtpd_milters": endpoint})
    assert (
        endpoint
        in only_finding(
            "malformed-endpoint", {"smtpd_sender_restrictions": f"check_policy_service {{ {endpoint}, timeout=1s }}"}
        )
        or ":" not in endpoint
    )


def test_servers_whose_places_can_be_read_are_fine() -> None:
    fine = {
        "smtpd_milters": "inet:127.0.0.1:8891, unix:/run/x, { inet:h:8891, connect_timeout=10s } inet:[::1]:smtp",
        "non_smtpd_milters": "inet:8891, local:/run/y",
        "smtpd_sender_restrictions": "check_policy_service unix:private/p, check_policy_service inet:h:10023",
    }
    assert not findings_of("malformed-endpoint", fine)
