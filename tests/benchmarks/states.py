"""Desired states of any size: sites, entries of a table, mail-flow tests, and mail domains with DKIM and DNS.

All of them are healthy on a host that has the addresses of address_of(). Pure.
"""

from __future__ import annotations

MAIL = """\
hostname: mx1.example.com
parameters:
  mynetworks: 192.0.2.0/24
  mydestination: mx1.example.com, localhost
  smtpd_banner: mx1.example.com ESMTP bench-0
"""
_SPACE, _OF_A_BYTE = 64, 250


def state(*, sites: int = 0, entries: int = 0, flows: int = 0) -> dict[str, str]:
    """Return the files of a state with so many sites, entries of tables/virtual, and flows that expect a delivery."""
    files = {"mail.yaml": MAIL, "tables/virtual": "bench.test -\n" + rows(entries)}
    for number in range(1, sites + 1):
        files |= site(number)
    return files | ({"flows/all.yaml": flows_of(flows)} if flows else {})


def rows(entries: int) -> str:
    """Return so many rows of tables/virtual."""
    return "".join(f"user{number}@bench.test root\n" for number in range(entries))


def site(number: int) -> dict[str, str]:
    """Return the files of a site: a domain, an address that its mail leaves from, and two rows of a table."""
    domain, folder = f"d{number}.test", f"sites/site{number}"
    delivery = f"delivery: {{address: {address_of(number)}, helo: mail.{domain}}}\n"
    return {
        f"{folder}/site.yaml": f"domains: [{domain}]\n{delivery}",
        f"{folder}/tables/virtual": f"{domain} -\ninfo@{domain} root\n",
    }


def address_of(number: int) -> str:
    """Return the address of a site; they are of the space that carriers share among their own (RFC 6598)."""
    high, low = divmod(number - 1, _OF_A_BYTE)
    return f"100.{_SPACE + high // _OF_A_BYTE}.{high % _OF_A_BYTE}.{low + 1}"


def address_commands(sites: int) -> str:
    """Return the commands of ip(8) that give a host the addresses of so many sites."""
    return "".join(f"addr add {address_of(number)}/32 dev lo\n" for number in range(1, sites + 1))


def flows_of(number: int) -> str:
    """Return so many mail-flow tests, each of which expects a delivery."""
    expect = "{transport: smtp, status: sent}"
    return "".join(
        f"flow {one}: {{client: 192.0.2.77, to: b{one}@far{one % 10}.test, expect: {expect}}}\n"
        for one in range(number)
    )
