"""Large desired states, and the facts of a host that they are healthy on: many sites, a long table, many mail domains.

Promises: the same numbers give the same bytes; every state is healthy, so that no rule ends early.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from reconciler.model import Facts, File, Interface
from tests.unit.desired_states import HEALTHY
from tests.unit.host_facts import HOST

_FIRST = IPv4Address("10.0.0.1")
MAIL = "hostname: mx.test.example\nparameters:\n" + "".join(
    f"  {name}: {value!r}\n" for name, value in HEALTHY.items() if name != "virtual_alias_domains"
)


def address(number: int) -> str:
    """Return the address that a site delivers from."""
    return str(_FIRST + number)


def site(number: int) -> dict[str, str]:
    """Return the files of one site: a domain, an address of its own, and two rows."""
    name = f"s{number}.example"
    return {
        f"sites/site{number}/site.yaml": f"domains: [{name}]\ndelivery: {{address: {address(number)}, helo: {name}}}\n",
        f"sites/site{number}/tables/virtual": f"info@{name}  root@mx.test.example\nsales@{name}  info@{name}\n",
    }


def with_sites(count: int) -> dict[str, str]:
    """Return a state of that many sites."""
    files = {"mail.yaml": MAIL}
    for number in range(1, count + 1):
        files |= site(number)
    domains = "".join(f"s{number}.example  site\n" for number in range(1, count + 1))
    return files | {"tables/virtual_domains": domains, "mail.yaml": MAIL + _OF_DOMAINS}


def with_table(count: int) -> dict[str, str]:
    """Return a state whose table of aliases has that many entries, all of which lead out of it."""
    rows = "".join(f"user{number:07}@v.example  box{number % 1000}@out.example\n" for number in range(count))
    return {"mail.yaml": MAIL + "  virtual_alias_domains: v.example\n", "tables/virtual": rows}


def with_mail_domains(count: int) -> dict[str, str]:
    """Return a state in which that many domains get mail, one alias each."""
    domains = "".join(f"d{number}.example  domain\n" for number in range(count))
    rows = "".join(f"info@d{number}.example  root@mx.test.example\n" for number in range(count))
    return {"mail.yaml": MAIL + _OF_DOMAINS, "tables/virtual_domains": domains, "tables/virtual": rows}


def tree(files: dict[str, str]) -> dict[str, File]:
    """Return the files as load() takes them."""
    return {path: File.of(text.encode()) for path, text in files.items()}


def facts(sites: int = 0) -> Facts:
    """Return the facts of a host that has the address and the reverse name of each site."""
    numbers = range(1, sites + 1)
    own = tuple(Interface.of(f"{address(number)}/32") for number in numbers)
    names = {address(number): (f"s{number}.example",) for number in numbers}
    return replace(HOST, addresses=(*HOST.addresses, *own), names=names)


_OF_DOMAINS = "  virtual_alias_domains: table:virtual_domains\n"
