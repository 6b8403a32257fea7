"""Where in the desired state the cause of Postfix's words stands: tables, settings, options and services."""

from __future__ import annotations

import pytest

from reconciler.features import compose
from reconciler.postfix.locate import Locator
from tests.unit.desired_states import HEALTHY, desired
from tests.unit.host_facts import HOST

STAGE = "/var/lib/reconciler/private/stage/postfix"
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
        ('fatal: bad DNSBL filter syntax: need ";" or "]" at "127.0.0.[2>-<11]"', f"mail.yaml:{FIRST + 3}:"),
        ("fatal: btree:/x: unable to get exclusive lock: Resource temporarily unavailable", f"mail.yaml:{FIRST + 4}:"),
        ("warning: something else", "mail.yaml:1:1"),
    ],
)
def test_words_of_postfix_lead_to_what_they_name(text: str, place: str) -> None:
    tables = {"tables/checks.pcre": "/a/ OK\n/[/ REJECT\n", "tables/transport": "a.example nosuch:\n"}
    files = tables | {"master.d/x.cf": SERVICE}
    parameters = {"smtpd_timeout": "30000x", "header_checks": "table:checks", "smtpd_tls_security_level": "may"}
    parameters |= {"postscreen_dnsbl_sites": "bl.example", "postscreen_cache_map": "btree:$data_directory/x"}
    locator = Locator(compose(desired(parameters, files), HOST), STAGE)

    assert str(locator.locate(text, None)).startswith(place)


def test_an_option_of_the_service_that_spoke_comes_first_and_else_it_is_the_service() -> None:
    merged = compose(desired({"smtp_helo_name": "a.example"}, {"master.d/x.cf": SERVICE}), HOST)
    (service,) = (one for one in merged.entries if one.name == "out")
    locator = Locator(merged, STAGE)

    assert str(locator.locate("fatal: parameter smtp_helo_name: bad", service)).startswith("master.d/x.cf:2:")
    assert str(locator.locate("fatal: unheard of", service)) == "master.d/x.cf:1:1"
