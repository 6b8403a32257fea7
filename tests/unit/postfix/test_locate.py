"""Where in the desired state the cause of Postfix's words stands: tables, settings, options and services."""

from __future__ import annotations

import pytest

from reconciler.features.composition import compose
from reconciler.postfix.locate import Locator
from tests.unit.desired_states import HEALTHY, desired
from tests.unit.host_facts import HOST

STAGE = "/var/lib/reconciler/private/stage/postfix"
REJECT = "smtpd logged: NOQUEUE: reject: RCPT from x[192.0.2.1]:"
SERVICE = "out unix - - n - - smtp\n  -o smtp_helo_name=b_b\n127.0.0.1:2525 inet n - n - - smtpd\n"
FIRST = 4 + len(HEALTHY)  # the line of the first parameter after those of the healthy state


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"warning: pcre map {STAGE}/checks, line 2: error in regex", "tables/checks.pcre:2:1"),
        ("fatal: parameter smtpd_timeout: bad time value or unit: 30000x", f"mail.yaml:{FIRST}:"),
        ("fatal: bad numerical configuration: 30000x", f"mail.yaml:{FIRST}:"),
        ("warning: connect to transport private/nosuch: No such file or directory", "tables/transport:1:1"),
        ("fatal: bind 127.0.0.1 port 2525: Address already in use", "master.d/x.cf:3:1"),
        ("warning: No server certs available", "mail.yaml:"),
        ('fatal: bad DNSBL filter syntax: need ";" or "]" at "127.0.0.[2>-<11]"', f"mail.yaml:{FIRST + 8}:"),
        ("fatal: btree:/x: unable to get exclusive lock: Resource temporarily unavailable", f"mail.yaml:{FIRST + 9}:"),
        ("warning: something else", "mail.yaml:1:1"),
        ("warning: connect to Milter service inet:127.0.0.1:8891: Connection refused", f"mail.yaml:{FIRST + 3}:"),
        ("warning: problem talking to server 127.0.0.1:8892: Connection refused", f"mail.yaml:{FIRST + 4}:"),
        ("warning: problem talking to server private/policy: No such file or directory", f"mail.yaml:{FIRST + 5}:"),
        ('warning: tcp:127.0.0.1:8893 lookup error for "a@b.test"', f"mail.yaml:{FIRST + 6}:"),
        (f"{REJECT} 550 5.1.1 <a@b.test>: Recipient address rejected: User unknown in virtual mailbox table; from=<>",
         f"mail.yaml:{FIRST + 6}:"),
        (f"{REJECT} 451 4.3.5 Server configuration error; from=<a@b.test> to=<c@d.test>", "mail.yaml:1:1"),
        ("warning: not enough free space in mail queue: 1 bytes < 1.5*message size limit", f"mail.yaml:{FIRST + 7}:"),
    ],
)  # fmt: skip
def test_words_of_postfix_lead_to_what_they_name(text: str, place: str) -> None:
    tables = {"tables/checks.pcre": "/a/ OK\n/[/ REJECT\n", "tables/transport": "a.example nosuch:\n"}
    files = tables | {"master.d/x.cf": SERVICE}
    parameters = {"smtpd_timeout": "30000x", "header_checks": "table:checks", "smtpd_tls_security_level": "may"}
    parameters |= {
        "smtpd_milters": "inet:127.0.0.1:8890, inet:127.0.0.1:8891",
        "smtpd_sender_restrictions": "check_policy_service inet:127.0.0.1:8892, reject",
        "smtpd_data_restrictions": "check_policy_service unix:private/policy",
        "virtual_mailbox_maps": "tcp:127.0.0.1:8893",
        "queue_minfree": "900000000",
        "postscreen_dnsbl_sites": "bl.example",
        "postscreen_cache_map": "btree:$data_directory/x",
    }
    locator = Locator(compose(desired(parameters, files), HOST), STAGE)

    assert str(locator.locate(text, None)).startswith(place)


def test_an_option_of_the_service_that_spoke_comes_first_and_else_it_is_the_service() -> None:
    merged = compose(desired({"smtp_helo_name": "a.example"}, {"master.d/x.cf": SERVICE}), HOST)
    (service,) = (one for one in merged.entries if one.name == "out")
    locator = Locator(merged, STAGE)

    assert str(locator.locate("fatal: parameter smtp_helo_name: bad", service)).startswith("master.d/x.cf:2:")
    assert str(locator.locate("fatal: unheard of", service)) == "master.d/x.cf:1:1"


def test_a_line_of_a_deployed_file_is_a_place_of_the_commit() -> None:
    files = {"files/templates/bounce.cf": "a\nb\n"}
    locator = Locator(
        compose(desired({"bounce_template_file": "$config_directory/templates/bounce.cf"}, files), HOST), STAGE
    )

    assert (
        str(locator.locate(f"warning: {STAGE}/templates/bounce.cf, line 2: no", None))
        == "files/templates/bounce.cf:2:1"
    )
