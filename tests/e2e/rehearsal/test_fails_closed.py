"""A rehearsal that breaks down is never the commit's excuse: what was not rehearsed does not go live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a rehearsal runs inside, and nothing else does in these tests.
BROKEN_IP = """\
#!/bin/sh
case "$*" in *-batch*) {what};; esac
exec /bin/ip.real "$@"
"""
SECRET = "AGE-SECRET-KEY-1QQPQZRYXSECRETOFTHEHOST"
CLOSED = "/srv/closed"


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    """A host that is steady; its programs may be replaced."""
    with AdoptedHost() as made:
        made.host.write(CLOSED, f"{SECRET}\n", 0o600)
        yield made


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("exit 3", "the rehearsal could not be held: "),
        ("cat >/dev/null; exit 0", "in a rehearsal the master does not start"),
    ],
    ids=["it fails", "it does nothing"],
)
def test_trouble_of_the_room_refuses_a_good_commit_and_excuses_nothing(
    adopted: AdoptedHost, what: str, says: str
) -> None:
    before = adopted.live()
    real = adopted.sh("readlink -f /bin/ip").strip()
    adopted.sh(f"cp {real} /usr/bin/ip.real && mv {real} {real}.kept")
    adopted.host.write(real, BROKEN_IP.format(what=what), 0o755)
    push = adopted.push({"tables/transport": f"{len(what)}.test  smtp:[127.0.0.1]:2525\n"}, "A good commit")
    assert not push.accepted, push.text
    assert says in push.text
    assert adopted.live() == before
    adopted.sh(f"mv {real}.kept {real}")
    assert adopted.push({"tables/transport": f"{len(what)}.test  smtp:[127.0.0.1]:2525\n"}, "Again").accepted


PLACES = (
    "smtp_tls_CAfile: /var/run/x/ca.pem",
    "data_directory: /etc",
    "maillog_file: /etc/x/y\n  maillog_file_prefixes: /etc",
    "queue_directory: /usr/share/queue",
)


@pytest.mark.parametrize("parameter", PLACES)
def test_no_value_lets_a_break_go_live_unrehearsed(adopted: AdoptedHost, parameter: str) -> None:
    adopted.sh("mkdir -p /run/x && openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=x -out /run/x/ca.pem"
               " -keyout /dev/null 2>/dev/null")  # fmt: skip
    before = adopted.live()
    allowed = "  # allow next-start: the rehearsal alone is tried here"
    broken = (
        f"{MAIL}{allowed}\n  {parameter}\n  smtpd_client_restrictions: check_client_access regexp:/srv/broken, permit\n"
    )
    adopted.host.write("/srv/broken", "/^post(master/ REJECT\n")
    push = adopted.push({"mail.yaml": broken}, "A break behind a place")
    assert not push.accepted, push.text
    assert "in a rehearsal" in push.text or "is not a directory" in push.text, push.text
    assert adopted.live() == before


@pytest.mark.parametrize(
    "value",
    [
        f"smtpd_client_restrictions: check_client_access cidr:{CLOSED}, permit",
        "smtpd_client_restrictions: check_client_access cidr:/etc/reconciler/identity.age, permit",
        f"myorigin: {CLOSED}",
        f"bounce_template_file: {CLOSED}",
        f"smtpd_tls_key_file: {CLOSED}",
    ],
)
def test_a_push_never_prints_a_closed_file_and_a_pass_never_keeps_it(adopted: AdoptedHost, value: str) -> None:
    secret = adopted.sh("tail -n 1 /etc/reconciler/identity.age 2>/dev/null || true").strip() or SECRET
    push = adopted.push({"mail.yaml": f"{MAIL}  {value}\n"}, "Reads a closed file")
    kept = adopted.sh("cat /var/lib/reconciler/private/*.jsonl")
    for text in (push.text, kept, adopted.daemon_log(), adopted.reconciler("status").text):
        assert SECRET not in text
        assert secret not in text
    if push.accepted:
        assert adopted.push({"mail.yaml": MAIL}, "Back").accepted
    if "identity" in value:
        assert not push.accepted
        assert "belongs to reconciler" in push.text
