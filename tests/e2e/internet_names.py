r"""A small Internet of names for a throw-away host: a signed root in BIND, and the unbound that checks signatures.

    serve(site.host, "a.test. A 127.0.1.1\n", unsigned={"b.test": "@ A 127.0.1.2\n"})

Promises: both programs answer when `serve` returns, and end with the host; what unbound hands out below the root is
validated, except for names below *unsigned*, which the root delegates without a DS record. Raises HostError.
Known limit: one server for all zones, and one key for the root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.hosts import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.hosts import Host

FOLDER = "/var/cache/bind"
HEAD = "$TTL 300\n@ SOA ns. hostmaster. 1 3600 600 86400 300\n@ NS ns.\n"
NAMED = f"""\
options {{
    directory "{FOLDER}"; pid-file none; session-keyfile none; recursion no; dnssec-validation no;
    listen-on {{ {ADDRESS}; }}; listen-on-v6 {{ none; }};
}};
zone "." {{ type primary; file "root.signed"; }};
"""
UNBOUND = f"""\
server:
    interface: 127.0.0.1
    chroot: ""
    username: ""
    pidfile: ""
    directory: "{FOLDER}"
    use-syslog: no
    trust-anchor-file: "{FOLDER}/anchor"
    local-zone: "test." transparent
remote-control:
    control-enable: no
stub-zone:
    name: "."
    stub-addr: {ADDRESS}
"""
SIGN = """\
key=$(dnssec-keygen -q -a ECDSAP256SHA256 -f KSK -n ZONE .) && cp "$key.key" anchor &&
dnssec-signzone -q -S -z -o . -f root.signed root
"""


def serve(host: Host, records: str, unsigned: Mapping[str, str]) -> None:
    """Start both, with these records in the root (names end with a dot) and in zones that nobody signed."""
    delegations = "".join(f"{name}. NS ns.\n" for name in unsigned)
    host.write(f"{FOLDER}/root", f"{HEAD}ns. A {ADDRESS}\n{delegations}{records}")
    host.run("sh", "-c", f"cd {FOLDER} && {SIGN}")
    zones = ""
    for name, own in unsigned.items():
        host.write(f"{FOLDER}/{name}", HEAD + own)
        zones += f'zone "{name}" {{ type primary; file "{name}"; }};\n'
    host.write("/etc/bind/names.conf", NAMED + zones)
    host.write("/etc/unbound/names.conf", UNBOUND)
    host.start("named", "-f", "-c", "/etc/bind/names.conf")
    host.start("unbound", "-d", "-c", "/etc/unbound/names.conf")
    host.wait_for(lambda: answer(host, "ns.", "A"), what="the name servers")


def answer(host: Host, name: str, kind: str) -> str:
    """What the host's resolver answers that it has validated; empty when it has not."""
    asked = host.run("dig", "+dnssec", "+time=1", "+tries=1", name, kind, check=False).stdout
    return asked if " ad;" in asked else ""
