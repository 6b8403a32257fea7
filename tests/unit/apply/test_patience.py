"""How long an answer about mail may take, as the configuration of the listener says."""

from __future__ import annotations

import pytest

from reconciler.apply.patience import LONGEST, Thinking, thinking

RECIPIENT = "smtpd_recipient_restrictions"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Thinking(10)),  # three looks at a probe, with three seconds between, and a second for an error
        ({"address_verify_poll_count": "5", "address_verify_poll_delay": "4s"}, Thinking(21)),
        ({"smtpd_error_sleep_time": "5s"}, Thinking(14)),
        ({RECIPIENT: "sleep 2, permit_mynetworks, sleep 3"}, Thinking(15)),
        ({"smtpd_restriction_classes": "slow", "slow": "sleep 7"}, Thinking(17)),
        ({RECIPIENT: "check_policy_service { inet:h:1, timeout=4s, default_action=DUNNO }"}, Thinking(20)),
        ({RECIPIENT: "check_policy_service inet:h:1", "smtpd_policy_service_timeout": "5"}, Thinking(22)),
        ({RECIPIENT: "check_policy_service inet:h:1"}, Thinking(LONGEST)),  # one that is dead is found all the same
        (
            {RECIPIENT: "reject_unknown_sender_domain, reject_rbl_client a.example, check_sender_access hash:x"},
            Thinking(30),
        ),
        ({RECIPIENT: "check_sender_mx_access hash:x, reject_unauth_destination"}, Thinking(20)),
        ({"smtpd_milters": "inet:h:1", "milter_command_timeout": "5s"}, Thinking(15)),
        ({"smtpd_proxy_filter": "h:1"}, Thinking(LONGEST)),
        ({"address_verify_poll_count": "100"}, Thinking(LONGEST, later=True)),
        ({RECIPIENT: "sleep 60"}, Thinking(LONGEST, later=True)),
        ({"address_verify_poll_delay": "soon", "smtpd_error_sleep_time": "9" * 5000}, Thinking(10)),
    ],
)
def test_an_answer_may_take_what_the_settings_say(values: dict[str, str], expected: Thinking) -> None:
    assert thinking(lambda name: values.get(name, "")) == expected
