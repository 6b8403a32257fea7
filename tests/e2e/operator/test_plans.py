"""plan, diff, generations and the preview of an adoption, as an operator reads them in a terminal of 80 columns."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import CLONE, UNREHEARSED, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = "permit_mynetworks, reject_unauth_destination, reject_unknown_sender_domain, reject_unknown_recipient_domain"
MAIL = f"""\
hostname: mx1.example.com
smart_host:
  nexthop: "[mail.relay.test]:587"
  senders:
    "@a.test": {{nexthop: "[a.relay.test]:587"}}
    "@b.test": {{nexthop: "[b.relay.test]:587"}}
tls:
  destinations:
    c.test: may
transports:
  slow:
    concurrency: 1
parameters:
  mynetworks: 127.0.0.0/8
  mydestination: mx1.example.com, localhost
  smtpd_recipient_restrictions: {LONG}, permit
"""
STATE = {
    "mail.yaml": MAIL,
    "tables/transport": "old.test  smtp:[127.0.0.1]:2525\nnew.test  slow:\n",
    "sites/site1/site.yaml": "domains:\n- one.test\ndelivery: {address: 127.0.0.7, helo: one.test}\n",
}


def on_terminal(host: AdoptedHost, command: str) -> str:
    """Return what a command prints in a terminal of 80 columns, without colours."""
    shown = host.sh(f"script -qec 'stty cols 80; {command}' /dev/null </dev/null || true")
    return re.sub(r"\x1b\[[0-9;]*m|\r", "", shown)


def squeezed(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_the_plan_of_an_adoption_tells_what_is_different_and_what_is_not() -> None:
    with AdoptedHost(state=STATE, settings=UNREHEARSED, adopt=False, daemon=False) as host:
        host.sh(
            "postconf -e compatibility_level=0 'transport_maps = lmdb:/etc/postfix/transport' 'mynetworks=127.0.0.0/8'"
            f" 'mydestination = mx1.example.com localhost' 'smtpd_recipient_restrictions = {LONG}, reject'"
            " 'queue_run_delay = 5m' 'mailbox_command = /bin/true"
            f" {'-a long ' * 20}'; postconf -X smtpd_relay_restrictions;"
            " printf '# ours\\nnew.test slow:\\nold.test smtp:[127.0.0.1]:2525\\n' >/etc/postfix/transport"
        )
        planned = host.reconciler("plan")
        assert planned.status == 2
        assert "..." not in planned.text
        assert "file mode" not in planned.text
        different, same, default = re.split(r"\n\n(?:the same|defaults), .*:\n", planned.text.partition(":\n")[2])
        lines = squeezed(different)
        assert f"- mailbox_command /bin/true {'-a long ' * 20}".strip() in lines
        wanted = f"~ smtpd_recipient_restrictions {LONG}, reject -> {LONG}, permit mail.yaml:16"
        assert wanted in lines
        assert "~ anvil/unix chroot y -> n (built in)" in lines
        assert "+ tls_policy table of 1 entry mail.yaml:9" in lines
        assert "~ compatibility_level 0 -> 3.6 (built in)" in lines
        implied = lines[lines.index("defaults that change with compatibility_level:") + 1 :]
        assert "~ mynetworks_style subnet -> host" in implied
        wired = "lmdb:/etc/postfix/transport -> lmdb:$config_directory/transport tables/transport:1"
        assert f"~ transport_maps {wired}" in squeezed(same)
        assert "~ transport only comments, order or blanks tables/transport:1" in squeezed(same)
        assert "- queue_run_delay 5m" in squeezed(default)
        shown = json.loads(host.reconciler("plan", "--json").text)
        numbers = [f"{number} {what}" for what, number in shown["totals"].items() if number]
        assert f"  {', '.join(numbers)}\n" in planned.text
        assert [change["what"] for change in shown["implied"]] == [line.split()[1] for line in implied]
        marks = [line[:1] for line in squeezed(planned.text) if line[:2] in {"+ ", "- ", "~ "} and line not in implied]
        assert [marks.count(mark) for mark in "~+-"] == list(shown["totals"].values())

        narrow, whole = (on_terminal(host, f"reconciler plan {option}") for option in ("", "--all"))
        assert max(map(len, narrow.partition("needs a")[0].splitlines())) <= 80
        assert "some values are cut: --all shows them whole" in narrow
        assert "   -> ... reject_unknown_recipient_domain, permit\n" in narrow
        assert "... " not in whole
        assert f"{LONG}, reject" in " ".join(whole.split())

        adopted = host.reconciler("once", "--adopt")
        assert adopted.status == 0, adopted.text
        assert adopted.text.startswith("adoption changes:\n\n")
        assert wanted in squeezed(adopted.text)
        assert "  no changes\n" in host.reconciler("plan").text


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost(state=STATE, settings=UNREHEARSED, daemon=False) as one:
        yield one


def test_a_folder_is_planned_with_the_line_of_each_row(adopted: AdoptedHost) -> None:
    adopted.sh(
        f"cd {CLONE} && sed -i 's/b.relay/b2.relay/; s/c.test: may/c.test: encrypt/; s/rency: 1/rency: 2/' mail.yaml"
        " && sed -i 's/- one.test/- one.test\\n- two.test/' sites/site1/site.yaml"
        " && printf 'new.test  slow:\\n' >tables/transport"
    )
    planned = adopted.reconciler("plan", "--tree", CLONE)

    lines = squeezed(planned.text)
    assert lines[:7] == [
        f"mx1.example.com {CLONE}",
        "~ slow_destination_concurrency_limit 1 -> 2 mail.yaml:12",
        "~ sender_relayhost: @b.test [b.relay.test]:587 -> [b2.relay.test]:587 mail.yaml:6",
        "+ site_transport: @two.test site1-out: sites/site1/site.yaml:3",
        "~ tls_policy: c.test may -> encrypt mail.yaml:9",
        "- transport: old.test smtp:[127.0.0.1]:2525",
        "3 changed, 1 added, 1 removed",
    ]
    shown = json.loads(adopted.reconciler("plan", "--tree", CLONE, "--json").text)
    assert shown["totals"] == {"changed": 3, "added": 1, "removed": 1}
    assert {change["effect"] for change in shown["changes"]} == {"different"}


def test_only_what_is_written_differently_is_no_difference(adopted: AdoptedHost) -> None:
    adopted.sh(
        f"cd {CLONE} && git checkout -q ."
        " && printf '# in order\\nnew.test slow:\\n\\nold.test smtp:[127.0.0.1]:2525\\n'"
        " >tables/transport && printf '  disable_vrfy_command: no\\n' >>mail.yaml"
    )
    planned = adopted.reconciler("plan", "--tree", CLONE)

    assert squeezed(planned.text)[1:7] == [
        "the same, written differently:",
        "~ transport only comments, order or blanks tables/transport:1",
        "defaults, written out or left out:",
        "+ disable_vrfy_command no mail.yaml:17",
        "1 changed, 1 added: nothing is treated differently",
        "needs a reload",
    ]


def test_generations_and_commits_differ_by_the_lines_of_the_newer_one(adopted: AdoptedHost) -> None:
    adopted.sh(f"cd {CLONE} && git checkout -q .")
    first = adopted.push({"mail.yaml": MAIL + "  smtpd_helo_required: yes\n"}, "First of two")
    assert adopted.reconciler("once").status == 0
    second = adopted.push({"mail.yaml": MAIL + "  smtpd_helo_required: no\n"}, "Second of two")

    newest = json.loads(adopted.reconciler("generations", "--json").text.splitlines()[0])
    assert (newest["live"], newest["subject"]) == (True, "First of two")
    listed = adopted.reconciler("generations").text.splitlines()
    assert re.fullmatch(rf"\* +{newest['generation']} .* {first.oid[:7]} +First of two  \(live\)", listed[0])
    assert listed[-1].split()[0::2] == ["0", "adopted"]

    added = ["+ smtpd_helo_required yes mail.yaml:17", "1 added"]
    number = newest["generation"]
    for names in ((str(number - 1),), (str(number - 1), str(number)), (f"{first.oid[:7]}~1", first.oid[:7])):
        shown = adopted.reconciler("diff", *names)
        assert (shown.status, squeezed(shown.text)) == (2, added), names
    changed = ["~ smtpd_helo_required yes -> no mail.yaml:17", "1 changed"]
    for names in (("live", "main"), (first.oid, second.oid), ("main~1", "main")):
        assert squeezed(adopted.reconciler("diff", *names).text) == changed, names
    assert json.loads(adopted.reconciler("diff", "live", "main", "--json").text)["totals"]["changed"] == 1
    equal = adopted.reconciler("diff", str(number), first.oid)
    assert (equal.status, equal.text) == (0, "no differences\n")
    adopted.sh(
        f"cd {CLONE} && printf 'x: [\\n' >>mail.yaml"
        " && git commit -qam Broken && git push -q origin HEAD:refs/heads/other"
    )
    broken = adopted.reconciler("diff", "live", "other")
    assert broken.status == 1
    assert re.search(r"^mail\.yaml:\d+:\d+: .*\[unreadable-yaml\]$", broken.text, re.MULTILINE)
    missing = adopted.reconciler("diff", "999")
    assert missing.status == 1
    assert 'no generation and no commit is "999"' in missing.text
