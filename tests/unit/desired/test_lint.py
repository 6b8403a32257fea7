"""lint() as a whole: order, repetition, what is excused, and its cost."""

from __future__ import annotations

import time

from reconciler.desired.lint import excused, mentioned
from reconciler.features.composition import compose
from reconciler.model import Severity, errors_in
from tests.unit.desired_states import HEALTHY, desired, linted
from tests.unit.host_facts import HOST, facts


def test_a_healthy_state_has_no_findings() -> None:
    assert linted(desired(), HOST) == []


def test_findings_are_sorted_by_place_and_never_repeated() -> None:
    broken = {"mynetworks": "10.0.0.1/8", "disable_vrfy_command": "true", "mailbox_size_limit": "1G"}
    found = linted(desired(broken), HOST)
    assert len(found) == 3
    assert found == sorted(found, key=lambda finding: finding.where)
    assert len(set(map(str, found))) == len(found)


def test_every_default_of_this_postfix_may_be_written_out() -> None:
    read_only = {"process_id", "process_name", "service_name"}
    values = {name: value for name, value in HOST.parameters.items() if name not in read_only}
    assert errors_in(linted(desired(values | {"compatibility_level": "3.6"}), HOST)) == []


def test_what_is_equally_true_of_live_is_reported_and_not_refused() -> None:
    live = linted(desired({"disable_vrfy_command": "true"}), HOST)
    after = linted(
        desired({"smtpd_helo_required": "yes", "disable_vrfy_command": "true", "mailbox_size_limit": "1G"}), HOST
    )
    old, new = sorted(excused(after, live), key=lambda finding: finding.severity, reverse=True)
    assert old.severity is Severity.WARNING
    assert "disable_vrfy_command" in old.text
    assert "what is live has the same error" in old.text
    assert new.is_error
    assert "mailbox_size_limit" in new.text


def test_the_paths_that_the_rules_ask_about_are_known_beforehand() -> None:
    state = desired(
        {
            "virtual_mailbox_maps": "hash:/srv/boxes, proxy:cdb:/srv/more, ldap:/etc/postfix/people.cf",
            "smtpd_tls_cert_file": "/etc/ssl/mx.pem",
            "smtpd_tls_key_file": "$smtpd_tls_cert_file",
            "mynetworks": "127.0.0.0/8 !/srv/nets",
            "bounce_template_file": "/srv/bounce.cf",
            "smtpd_tls_session_cache_database": "btree:/var/lib/postfix/cache",
        },
        {"master.d/pipe.cf": "drop unix - n n - - pipe user=vmail argv=/usr/bin/drop -d ${recipient}\n"},
    )
    paths = mentioned(compose(state, HOST), HOST).paths
    assert paths >= {"/srv/boxes.db", "/srv/more.cdb", "/etc/postfix/people.cf", "/etc/ssl/mx.pem", "/usr/bin/drop"}
    assert paths >= {"/srv/nets", "/srv/bounce.cf"}


def test_a_table_of_100000_entries_is_judged_in_well_under_two_seconds() -> None:
    lines = "".join(f"user{number}@v.example  box{number}@mx.test.example\n" for number in range(100_000))
    state = desired(files={"tables/virtual": lines})
    before = time.process_time()
    assert linted(state, facts()) == []
    assert time.process_time() - before < 2


def test_the_base_state_of_these_tests_is_complete() -> None:
    assert HEALTHY.keys() <= HOST.parameters.keys()
