"""Commits from a grammar of nasty pieces: each number makes one commit, and always the same one."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from reconciler.desired.layout import FILES_ALONE
from reconciler.features.composition import FEATURES

if TYPE_CHECKING:
    from collections.abc import Callable

SECTIONS = {feature.SECTION: feature.Schema for feature in FEATURES if feature.SECTION not in FILES_ALONE}
NAMES = (
    "mydestination", "mynetworks", "relayhost", "smtpd_client_restrictions", "smtpd_recipient_restrictions",
    "virtual_alias_maps", "virtual_alias_domains", "virtual_mailbox_domains", "transport_maps", "alias_maps",
    "smtp_tls_policy_maps", "smtpd_tls_cert_file", "smtpd_tls_key_file", "header_checks", "local_recipient_maps",
    "smtpd_milters", "message_size_limit", "mailbox_size_limit", "smtpd_timeout", "inet_protocols", "inet_interfaces",
    "default_transport", "content_filter", "smtpd_proxy_filter", "recipient_delimiter", "smtpd_restriction_classes",
    "known_tcp_ports", "compatibility_level", "myhostname", "mydomain", "virtual_uid_maps", "virtual_minimum_uid",
    "queue_minfree", "smtpd_tls_protocols", "local_header_rewrite_clients", "relay_domains", "a", "b", "smtpd_banner",
    "smtp_fallback_relay", "virtual_alias_expansion_limit", "smtpd_sender_login_maps", "postscreen_access_list",
)  # fmt: skip
WORDS = (
    "a", "example.com", "@example.com", "a@example.com", "*", ".example.com", "smtp:[a.example]:25", "[::1]:25", "[::",
    "127.0.0.1", "127.0.0.1::", "192.0.2.C5", "10.0.0.0/8", "1.2.3.4/99999", "::1/128", "/", "/^a(b|c)*$/", "/\\a\\a/",
    "!/x", "if /a/", "endif", "REJECT", "FILTER smtp:x", "550", "DUNNO", "OK", "$a", "$b", "${a}", "${a?{b}:{c}}", "$$",
    "$", "${", "}", "{", "(", ")", "hash:/x", "table:a", "table:virtual", "pcre:{/a/ b}", "static:x", "inline:{a=b}",
    "unionmap:{static:a, pipemap:{hash:/x}}", "proxy:proxy:lmdb:x", "check_client_access", "permit", "reject", "yes",
    "0", "99999999999999999999", "9" * 5000, "-1", "1d", "5 minutes", "\u00b2", "\u0660", "#", '"', "\\", "'", ",", ";",
    ":", "=", "|/bin/x", "<>", ":include:/x", "-o", "smtpd", "inet", "unix", "n", "-", "y", "xn--a", "localhost",
    "a" * 300, "." * 300, " " * 300, "@" * 50, "mx.test.example", "root", "DISCARD", "{{ name }}.", "{% endfor %}",
    "{% for a in ips %}", "3600 IN TXT", "\U0001f4a9", "\u00a0", "\u3000", "b@mx.test.example", "permit_mynetworks",
    "reject_unauth_destination", "\\$", "${{1} > {2}?{a}:{b}}", "!", "user=nobody", "argv=/bin/x", "smtp", "pipe",
)  # fmt: skip
UNSEEN = ("\u2028", "\u0085", "\x1c", "\x0b", "\x00", "\ufeff", "\x7f", "\r")
GLUE = ("", " ", " ", " ", "  ", ", ", ", ", "\t", ": ", " = ", "\n", "\n ")
TABLES = (
    "virtual", "transport", "aliases", "a", "x.pcre", "x.cidr", "x.regexp", "tls_policy", "sni", "y.texthash",
    "relay_domains", "sender_transport", "generic", "virtual_mailbox", "x.nosuch",
)  # fmt: skip
RAW = (
    "a: [b\n", "!x y\n", "- a\n", "&a [*a]\n", "a: &b {c: *b}\n", "? a\n: b\n", "<<: a\n", "\ta: b\n", "--- \n---\n",
    "%YAML\n", 'k: "#" # allow x: y\n', "# allow unknown-table: why\n", "password: x\n", "a: !secret x\n", "null: ~\n",
)  # fmt: skip
SERVICES = (
    "127.0.0.1:2525 inet n - n - - smtpd", "x unix - - n - - smtp", "y unix - n n - - pipe", "z unix - n n - 0 spawn",
    "0.0.0.0:smtps inet n - n - 1 postscreen", "p pass - - n - - smtpd", "[::1]:26 inet n - y 9 - smtpd",
)  # fmt: skip


def commit(number: int) -> dict[str, bytes]:
    """Return the files of a commit by their paths."""
    rolls = random.Random(number)
    files = {"mail.yaml": _mail(rolls)}
    for _ in range(rolls.randrange(5)):
        path, make = rolls.choice(_FILES)
        files[path.format(table=rolls.choice(TABLES), number=rolls.randrange(1, 4))] = make(rolls)
    return {path: _damaged(rolls, text.encode("utf-8", "surrogatepass")) for path, text in files.items()}


def _happens(rolls: random.Random, once_in: int) -> bool:
    return rolls.randrange(once_in) == 0


def _text(rolls: random.Random, most: int = 6) -> str:
    words = (*WORDS, *UNSEEN) if _happens(rolls, 20) else WORDS
    return "".join(rolls.choice(words) + rolls.choice(GLUE) for _ in range(rolls.randrange(most + 1)))


def _value(rolls: random.Random, depth: int = 2) -> Any:  # noqa: ANN401 - JSON's values
    makers: list[Callable[[], Any]] = [
        lambda: _text(rolls, 4),
        lambda: rolls.choice(WORDS),
        lambda: rolls.choice((None, True, False, 0, 25, 1.5)),
        lambda: [_value(rolls, depth - 1) for _ in range(rolls.randrange(4))],
        lambda: {_text(rolls, 1): _value(rolls, depth - 1) for _ in range(rolls.randrange(4))},
    ]
    made: Any = rolls.choice(makers if depth else makers[:3])()
    return made


def _mail(rolls: random.Random) -> str:
    """Return a mail.yaml: mostly parameters that load, sometimes sections with anything, sometimes not YAML."""
    parameters = {rolls.choice(NAMES): _text(rolls).replace("\n", "\n ").strip() for _ in range(rolls.randrange(8))}
    state: dict[str, Any] = {"hostname": "mx.test.example", "parameters": parameters}
    if _happens(rolls, 4):
        for section in rolls.sample(sorted(SECTIONS), 2):
            state[section] = _value(rolls) if _happens(rolls, 4) else _fields(rolls, section)
    text = json.dumps(state, indent=1, ensure_ascii=not _happens(rolls, 2))
    return rolls.choice(RAW) + text if _happens(rolls, 20) else text


def _fields(rolls: random.Random, section: str) -> dict[str, Any]:
    """Return values under the names that a section knows."""
    known = sorted(getattr(SECTIONS[section], "model_fields", {})) or ["a"]
    return {name.rstrip("_"): _value(rolls, 1) for name in rolls.sample(known, min(3, len(known)))}


def _table(rolls: random.Random) -> str:
    lines = (f"{_text(rolls, 2)}{rolls.choice(GLUE)}{_text(rolls, 2)}\n" for _ in range(rolls.randrange(12)))
    return "".join(lines)


def _services(rolls: random.Random) -> str:
    options = (" ", " -o x=y", " -o {x = y}", " -o smtpd_banner=$a", " user=a argv=/bin/x ${recipient}", "\n  -o a=b")
    lines = (
        rolls.choice(SERVICES) + "".join(rolls.choice(options) for _ in range(rolls.randrange(4)))
        for _ in range(rolls.randrange(4))
    )
    return "\n".join(line + (_text(rolls, 1) if _happens(rolls, 8) else "") for line in lines) + "\n"


def _site(rolls: random.Random) -> str:
    address = rolls.choice(("192.0.2.10", "2001:db8::10", rolls.choice(WORDS)))
    domain = rolls.choice(("s.example", "t.example", rolls.choice(WORDS)))
    return json.dumps({"domains": [domain], "delivery": {"address": address, "helo": "a.example"}})


def _flow(rolls: random.Random) -> str:
    expect = rolls.choice(("accepted", "refused", {"transport": rolls.choice(WORDS)}, _text(rolls, 1)))
    return json.dumps({rolls.choice(WORDS): {"to": rolls.choice(WORDS), "port": "smtp", "expect": expect}})


def _zone(rolls: random.Random) -> str:
    kinds = ("A", "AAAA", "TXT", "MX", "CAA", "SRV", "TLSA")
    lines = (f"{{{{ name }}}}. 3600 IN {rolls.choice(kinds)} {_text(rolls, 3)}\n" for _ in range(3))
    return "".join(lines) + _text(rolls)


def _damaged(rolls: random.Random, content: bytes) -> bytes:
    """Cut, double or damage a few files."""
    place = rolls.randrange(len(content) + 1)
    if _happens(rolls, 60):
        return content[:place]
    if _happens(rolls, 60):
        return content[:place] + rolls.randbytes(3) + content[place:]
    return content + content[place:] if _happens(rolls, 60) else content


_FILES: tuple[tuple[str, Callable[[random.Random], str]], ...] = (
    *[("tables/{table}", _table)] * 5,
    ("master.d/x{number}.cf", _services),
    ("master.d/site{number}-x.cf", _services),
    ("sites/site{number}/site.yaml", _site),
    ("sites/site{number}/tables/{table}", _table),
    ("hosts/h{number}.yaml", _mail),
    ("hosts/mx.test.example.yaml", _mail),
    ("flows/f{number}.yaml", _flow),
    ("dns/z{number}.zone.j2", _zone),
)
