"""The work for a commit grows as the commit does: twice the text takes twice the calls, whatever the text says.

Calls are counted, not timed, so the test says the same on every machine. What is within one call, such as a regular
expression, is the subject of test_expressions.py.
"""

from __future__ import annotations

import json
from contextlib import suppress
from cProfile import Profile
from typing import TYPE_CHECKING

import pytest

from reconciler.desired.lint import lint, mentioned
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import File
from reconciler.model.errors import InvalidSource
from reconciler.model.past import forget_oldest
from tests.unit.desired_states import HEALTHY
from tests.unit.host_facts import HOST
from tests.unit.large_states import address, facts, with_mail_domains, with_sites, with_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.model import Facts

SITE = "domains: [s{0}.example]\ndelivery: {{address: 10.0.{1}.{2}, helo: s{0}.example}}\n"
IDLE = "delivery: {{address: 10.0.{1}.{2}, helo: s{0}.example}}\n"
LISTENER = "10.0.{1}.{2}:2525 inet n - n - - smtpd"
LOGINS = "-o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=inet:127.0.0.1:{0}"
CERTIFICATE = "-o smtpd_tls_cert_file=/etc/ssl/s{0}.pem"
TABLE = "-o smtpd_sender_restrictions=check_sender_access,lmdb:/etc/nosuch{0}"
SIZE = 60
MOST_FOR_A_SITE = 3000
"""The calls that it takes to load and to judge a site; walks over all services that rules share are made once."""


def mail(parameters: dict[str, str] | None = None, **sections: object) -> str:
    return json.dumps({"hostname": "mx.test.example", "parameters": HEALTHY | (parameters or {}), **sections}, indent=1)


def numbered(text: str, size: int) -> dict[str, str]:
    return {f"{number}": text.format(number, number // 250, number % 250) for number in range(1, size + 1)}


def lines(text: str, size: int) -> str:
    return "".join(numbered(text, size).values())


def sites(text: str, size: int) -> dict[str, str]:
    return {f"sites/site{number}/site.yaml": one for number, one in numbered(text, size).items()}


BOMBS: dict[str, Callable[[int], dict[str, str]]] = {
    "comments among scalars": lambda n: {"flows/a.yaml": lines('k{}: "#" # allow x: y\n', n)},
    "rows of a site without a value": lambda n: (
        sites(SITE, 1) | {"sites/site1/tables/virtual": lines("x{}\n", n)}
    ),
    "rows of many sites": lambda n: (
        sites(SITE, n) | {f"sites/site{number}/tables/virtual": "x\n" for number in range(1, n + 1)}
    ),
    "rows with quotes": lambda n: {"tables/virtual": lines('"a {}"@v.example root\n', n)},
    "aliases that lead on": lambda n: {"tables/virtual": lines("a{0}@v.example b{0}@v.example\n", n)},
    "rows without a route": lambda n: {"tables/transport": lines("a{}.example nosuch:\n", n)},
    "keys twice": lambda n: {"tables/virtual": lines("a@v.example b{}@v.example\n", n)},
    "names in one value": lambda n: {"mail.yaml": mail({"mydestination": lines("a{}, ", n)})},
    "references in one value": lambda n: {"mail.yaml": mail({"a": lines("${{mydestination}} $b{}", n)})},
    "tables in one value": lambda n: {"mail.yaml": mail({"virtual_alias_maps": lines("table:x{} ", n)})},
    "parameters without a meaning": lambda n: {"mail.yaml": mail({f"q{number}": "x" for number in range(n)})},
    "files of other hosts": lambda n: {f"hosts/h{number}.yaml": "parameters: {a: b}\n" for number in range(n)},
    "options of one service": lambda n: {
        "master.d/a.cf": f"x unix - - n - - smtp {lines('-o smtp_helo_name=a{} ', n)}\n"
    },
    "services": lambda n: {"master.d/a.cf": lines("x{} unix - - n - - smtp -o syslog_name=a\n", n)},
    "sites": lambda n: sites(SITE, n),
    "sites without domains": lambda n: sites(IDLE, n) | {f"tables/a{number}": "a b\n" for number in range(9 * n)},
    "tables that nothing names": lambda n: {f"tables/transpor{number}": "a b\n" for number in range(n)},
    "sections that are unknown": lambda n: {"mail.yaml": mail(None, **{f"k{number}": 1 for number in range(n)})},
    "listeners on addresses": lambda n: {"master.d/a.cf": lines("10.0.{1}.{2}:2525 inet n - n - - smtpd\n", n)},
    "listeners with a password server": lambda n: {"master.d/a.cf": lines(f"{LISTENER} {LOGINS}\n", n)},
    "certificates that none offers": lambda n: {"master.d/a.cf": lines(f"{LISTENER} {CERTIFICATE}\n", n)},
    "listeners with tables that are missing": lambda n: {"master.d/a.cf": lines(f"{LISTENER} {TABLE}\n", n)},
    "mail-flow tests": lambda n: {"flows/a.yaml": lines("k{}: {{to: a@b.example, expect: accepted}}\n", n)},
}  # fmt: skip


def calls(files: dict[str, str], host: Facts = HOST) -> int:
    """Return how many calls it takes to judge a commit of which nothing is remembered."""
    while forget_oldest():
        continue
    tree = {path: File.of(text.encode()) for path, text in ({"mail.yaml": mail()} | files).items()}
    with Profile() as counted, suppress(InvalidSource):
        desired = load(tree, host.host, {})
        merged = compose(desired, host)
        mentioned(merged, host)
        lint(desired, host, merged)
    return sum(function.callcount for function in counted.getstats())


@pytest.mark.parametrize("bomb", BOMBS)
def test_twice_the_text_takes_twice_the_calls(bomb: str) -> None:
    calls(BOMBS[bomb](2))  # what is read once and kept
    one, two, four = (calls(BOMBS[bomb](SIZE * times)) for times in (1, 2, 4))
    assert four - two <= 2.3 * (two - one) + SIZE, (one, two, four)


def test_each_network_is_looked_up_among_the_addresses_of_the_host() -> None:
    def of(size: int) -> int:
        own = " ".join(address(number) for number in range(1, size + 1))
        return calls({"mail.yaml": mail({"mynetworks": own})}, facts(size))

    of(SIZE)  # what is read once and kept
    one, two, four = (of(SIZE * times) for times in (1, 2, 4))
    assert four - two <= 2.3 * (two - one) + SIZE, (one, two, four)


@pytest.mark.parametrize("large", [with_sites, with_table, with_mail_domains])
def test_twice_the_size_of_a_healthy_state_takes_twice_the_calls(large: Callable[[int], dict[str, str]]) -> None:
    calls(large(2), facts(2))
    one, two, four = (calls(large(SIZE * times), facts(SIZE * times)) for times in (1, 2, 4))
    assert four - two <= 2.3 * (two - one) + SIZE, (one, two, four)


def test_a_site_more_takes_no_more_calls_than_it_needs() -> None:
    calls(with_sites(2), facts(2))
    one, two = (calls(with_sites(SIZE * times), facts(SIZE * times)) for times in (1, 2))
    assert (two - one) / SIZE <= MOST_FOR_A_SITE
