"""tables/sni: each client is shown the certificate of the name it asks for, and the renewed one after a renewal."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, STATE, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

CERTIFICATES = "/etc/ssl/mail"
DEFAULT, A, B = "mx1.example.com", "mail.a.test", "mail.b.test"
ON = (
    MAIL
    + f"""\
  smtpd_tls_chain_files: {CERTIFICATES}/{DEFAULT}.pem
  smtpd_tls_security_level: may
"""
)
ROWS = f"""\
{A}  {CERTIFICATES}/{A}.pem
{B}  {CERTIFICATES}/{B}.key, {CERTIFICATES}/{B}.crt
"""


def make(adopted: AdoptedHost, name: str) -> None:
    """A new certificate for that name: its key, itself, and both in one file."""
    adopted.sh(
        f"mkdir -p {CERTIFICATES} && cd {CERTIFICATES} && umask 077 && openssl req -x509 -nodes"
        f" -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 90 -subj /CN={name} -keyout new.key -out new.crt 2>&1"
        f" && cat new.key new.crt >new.pem && for kind in key crt pem; do mv new.$kind {name}.$kind; done"
    )


def shown(adopted: AdoptedHost, name: str) -> bytes:
    """The certificate that a client is shown who asks for that name, in PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with adopted.host.smtp() as conversation:
        conversation._host = name  # type: ignore[attr-defined] # noqa: SLF001 - what smtplib asks for
        conversation.starttls(context=context)
        der = conversation.sock.getpeercert(binary_form=True)  # type: ignore[union-attr]
    return ssl.DER_cert_to_PEM_cert(der).encode()


def lies_there(adopted: AdoptedHost, name: str) -> bytes:
    """The certificate of that name as it is on the host."""
    return adopted.sh(f"cat {CERTIFICATES}/{name}.crt").encode() + b"\n"


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost(state=STATE | {"mail.yaml": ON}, adopt=False, daemon=False) as made:
        for name in (DEFAULT, A, B):
            make(made, name)
        made.reconciler("once", "--adopt")
        made.start_daemon()
        yield made


def test_each_name_has_its_certificate_and_off_again(adopted: AdoptedHost) -> None:
    before = adopted.sh("cd /etc/postfix && ls && sha256sum main.cf master.cf")
    pushed = adopted.push({"tables/sni": ROWS}, "Names")
    assert pushed.accepted, pushed.text
    assert "warning" not in pushed.text, pushed.text
    for name, found in ((A, A), (A.upper(), A), (B, B), ("other.test", DEFAULT)):
        assert shown(adopted, name) == lies_there(adopted, found), name
    assert adopted.host.send("a@far.test", f"root@{DEFAULT}").startswith("250")

    off = adopted.push({"tables/sni": None}, "No names")
    assert off.accepted, off.text
    assert shown(adopted, A) == lies_there(adopted, DEFAULT)
    assert adopted.sh("cd /etc/postfix && ls && sha256sum main.cf master.cf") == before


def test_a_renewed_certificate_is_shown_after_a_reload(adopted: AdoptedHost) -> None:
    assert adopted.push({"tables/sni": ROWS}, "Names").accepted
    for name in (A, B):
        old = shown(adopted, name)
        make(adopted, name)
        adopted.host.wait_for(lambda name=name: shown(adopted, name) == lies_there(adopted, name), what="the new one")  # type: ignore[misc]
        assert shown(adopted, name) != old
        adopted.host.wait_for(lambda: adopted.log("-1")[0]["wake"] == "certificate", what="the record")
    good = adopted.sh(f"base64 -w0 {CERTIFICATES}/{A}.pem")
    adopted.sh(f"cat {CERTIFICATES}/{B}.key {CERTIFICATES}/{A}.crt >{CERTIFICATES}/{A}.pem")
    adopted.host.wait_for(lambda: adopted.log("-1")[0].get("why") == "not reloaded", what="the record")
    adopted.sh(f"echo {good} | base64 -d >{CERTIFICATES}/{A}.pem")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"tables/sni": f"{A} {CERTIFICATES}/nosuch.pem\n"}, "tables/sni:1:1: table sni"),
        ({"tables/sni": ROWS + f"c.test {CERTIFICATES}/{B}.crt {CERTIFICATES}/{B}.key\n"}, "the key comes first"),
        ({"tables/sni": f"*.a.test {CERTIFICATES}/{A}.pem\n"}, "did you mean .a.test?"),
        ({"tables/names": ROWS, "mail.yaml": ON + "  tls_server_sni_maps: table:names\n"}, "tables/names.texthash"),
    ],
)
def test_what_would_break_tls_for_a_name_is_refused(
    adopted: AdoptedHost, files: dict[str, str | None], says: str
) -> None:
    refused = adopted.push(files, "A slip")
    assert not refused.accepted, refused.text
    assert says in " ".join(refused.text.replace("remote:", "").split())


def test_a_site_brings_its_own_certificate(adopted: AdoptedHost) -> None:
    rows = {"tables/sni": f"{A} {CERTIFICATES}/{A}.pem\n", "sites/site12/tables/sni": f"{B} {CERTIFICATES}/{B}.pem\n"}
    pushed = adopted.push({**rows, "sites/site12/site.yaml": f"domains: [{B}]\n"}, "Site 12")
    assert pushed.accepted, pushed.text
    assert [shown(adopted, name) == lies_there(adopted, name) for name in (A, B)] == [True, True]
