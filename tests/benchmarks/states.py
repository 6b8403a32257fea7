"""Desired states of any size: sites, entries of a table, mail-flow tests, and mail domains with DKIM and DNS.

All of them are healthy on a host that has the addresses of address_of(). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

MAIL = """\
hostname: mx1.example.com
parameters:
  mynetworks: 192.0.2.0/24
  mydestination: mx1.example.com, localhost
  smtpd_banner: mx1.example.com ESMTP bench-0
"""
KEY = "dkim-s1"
"""The secret that the mail domains of a state are signed with."""
# While rspamd is down, mail is taken all the same: the host beside, on which floor.sh runs, has none.
_SIGNED = f"""\
dkim: {{selector: s1, key: !secret {KEY}, default_action: accept}}
dns: {{addresses: [192.0.2.10], dmarc: quarantine, mta_sts: testing}}
"""
_SPACE, _OF_A_BYTE = 64, 250


@dataclass(frozen=True, slots=True)
class Size:
    """How large a state is; *domains* are mail domains that are signed for, and that have DNS records."""

    sites: int = 0
    entries: int = 0
    flows: int = 0
    domains: int = 0

    def __str__(self) -> str:
        names = ("sites", "entries", "flows", "domains")
        return ", ".join(f"{number:,} {name}" for name in names if (number := getattr(self, name)))

    @property
    def mail(self) -> str:
        """The text of mail.yaml."""
        return MAIL + _SIGNED * bool(self.domains)


def state(size: Size) -> dict[str, str]:
    """Return the files of a state of that size, without the secret."""
    files = {"mail.yaml": size.mail, "tables/virtual": f"bench.test -\n{rows(size.entries)}{domains(size.domains)}"}
    for number in range(1, size.sites + 1):
        files |= site(number)
    return files | ({"flows/all.yaml": flows_of(size.flows)} if size.flows else {})


def rows(entries: int) -> str:
    """Return so many rows of tables/virtual."""
    return "".join(f"user{number}@bench.test root\n" for number in range(entries))


def domains(number: int) -> str:
    """Return the rows of tables/virtual for so many mail domains."""
    return "".join(f"m{one}.test -\ninfo@m{one}.test root\n" for one in range(number))


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


def history(path: str, texts: list[str]) -> str:
    """Return the stream of git-fast-import(1) that puts one commit on main for each text of a file."""
    told = []
    for number, text in enumerate(texts, 1):
        told.append("commit refs/heads/main\ncommitter Ada <ada@example.com> now\n")
        told.append(_data(f"Commit {number} of {len(texts)}\n"))
        told.append("from refs/heads/main^0\n" * (number == 1))
        told.append(f"M 100644 inline {path}\n{_data(text)}")
    return "".join(told)


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"
