"""Commits from a grammar of nasty pieces: each number makes one commit, and always the same one."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

from reconciler.desired.load import _SCHEMAS

NAMES = (
    "mydestination", "mynetworks", "relayhost", "smtpd_client_restrictions", "smtpd_recipient_restrictions",
    "virtual_alias_maps", "virtual_alias_domains", "virtual_mailbox_domains", "transport_maps", "alias_maps",
    "smtp_tls_policy_maps", "smtpd_tls_cert_file", "smtpd_tls_key_file", "header_checks", "local_recipient_maps",
    "smtpd_milters", "message_size_limit", "mailbox_size_limit", "smtpd_timeout", "inet_protocols", "inet_interfaces",
    "default_transport", "content_filter", "smtpd_proxy_filter", "recipient_delimiter", "smtpd_restriction_classes",
    "known_tcp_ports", "compatibility_level", "myhostname", "mydomain", "virtual_uid_maps", "virtual_minimum_uid",
    "queue_minfree", "smtpd_tls_protocols", "local_header_rewrite_clients", "relay_domains", "a", "b", "${", "x y",
)  # fmt: skip
PIECES = (
    "a", "example.com", "@example.com", "a@example.com", "*", ".example.com", "smtp:[a.example]:25", "[::1]:25", "[::",
    "127.0.0.1", "127.0.0.1::", "192.0.2.C5", "10.0.0.0/8", "1.2.3.4/99999", "::1/128", "/", "/^a(b|c)*$/", "/\\a\\a/",
    "!/x", "if /a/", "endif", "REJECT", "FILTER smtp:x", "550", "DUNNO", "OK", "$a", "$b", "${a}", "${a?{b}:{c}}", "$$",
    "$", "${", "}", "{", "(", ")", "hash:/x", "table:a", "table:virtual", "pcre:{/a/ b}", "static:x", "inline:{a=b}",
    "unionmap:{static:a, pipemap:{hash:/x}}", "proxy:proxy:lmdb:x", "check_client_access", "permit", "reject", "yes",
    "0", "99999999999999999999", "9" * 5000, "-1", "1d", "5 minutes", "\u00b2", "\u0660", "\u2028", "\u0085", "\u00a0",
    "\u3000", "\x1c", "\x0b", "\x00", "\ufeff", "\U0001f4a9", "#", '"', "\\", "'", ",", ";", ":", "=", "|/bin/x", "<>",
    ":include:/x", "-o", "smtpd", "inet", "unix", "n", "-", "y", "xn--a", "a" * 300, "." * 300, " " * 300, "@" * 50,
    "localhost", "mx.test.example", "root", "DISCARD", "{{ name }}.", "{% for a in ips %}", "{% endfor %}", "3600 IN TXT",
)  # fmt: skip
GLUE = ("", " ", " ", "  ", ", ", "\t", ": ", " = ", "\n", "\n ")
TABLES = ("virtual", "transport", "aliases", "a", "x.pcre", "x.cidr", "x.regexp", "tls_policy", "sni", "y.texthash",
          "relay_domains", "sender_transport", "generic", "virtual_mailbox", "x.nosuch")  # fmt: skip
RAW = ("a: [b\n", "!x y\n", "- a\n", "&a [*a]\n", "a: &b {c: *b}\n", "? a\n: b\n", "<<: a\n", "\ta: b\n", "--- \n---\n", "%YAML\n",
       'k: "#" # allow x: y\n', "# allow unknown-table: why\n", "password: x\n", "a: !secret x\n", "null: ~\n")  # fmt: skip


def commit(number: int) -> dict[str, bytes]:
    """Return the files of a commit by their paths."""
    rolls = random.Random(number)
    files = {"mail.yaml": _mail(rolls)}
    for _ in range(rolls.randrange(6)):
        path, make = rolls.choice(_FILES)
        files[path.format(rolls.choice(TABLES), rolls.randrange(1, 4))] = make(rolls)
    return {path: _broken(rolls, text.encode("utf-8", "surrogatepass")) for path, text in files.items()}


def _text(rolls: random.Random, most: int = 6) -> str:
    return "".join(rolls.choice(PIECES) + rolls.choice(GLUE) for _ in range(rolls.randrange(most + 1)))


def _value(rolls: random.Random, depth: int = 2) -> Any:  # noqa: ANN401 - JSON's values
    kind = rolls.randrange(6 if depth else 3)
    if kind <= 2:
        return _text(rolls, 4)
    if kind == 3:
        return [_value(rolls, depth - 1) for _ in range(rolls.randrange(4))]
    if kind == 4:
        return {_text(rolls, 1): _value(rolls, depth - 1) for _ in range(rolls.randrange(4))}
    return rolls.choice((None, True, False, 0, 25, 1.5))


def _mail(rolls: random.Random) -> str:
    """Return a mail.yaml: mostly parameters that load, sometimes sections with anything, sometimes not YAML."""
    parameters = {rolls.choice(NAMES[:-2]): _text(rolls).strip("\n") for _ in range(rolls.randrange(8))}
    state: dict[str, Any] = {"hostname": "mx.test.example", "parameters": parameters}
    if rolls.random() < 0.4:
        for section in rolls.sample(sorted(_SCHEMAS), 2):
            state[section] = _fields(rolls, section) if rolls.random() < 0.7 else _value(rolls)
    text = json.dumps(state, indent=1, ensure_ascii=rolls.random() < 0.5)
    return text if rolls.random() < 0.9 else rolls.choice(RAW) + text


def _fields(rolls: random.Random, section: str) -> dict[str, Any]:
    """Return values under the names that a section knows."""
    known = sorted(getattr(_SCHEMAS[section], "model_fields", {})) or ["a"]
    return {name.rstrip("_"): _value(rolls, 1) for name in rolls.sample(known, min(3, len(known)))}


def _table(rolls: random.Random) -> str:
    return "".join(f"{_text(rolls, 2)}{rolls.choice(GLUE)}{_text(rolls, 2)}\n" for _ in range(rolls.randrange(12)))


def _services(rolls: random.Random) -> str:
    line = "{} {} n - n {} {} {} {}\n"
    words = (
        "smtpd",
        "smtp",
        "pipe",
        "spawn",
        "-o",
        "x=y",
        "argv=/bin/x",
        "user=a",
        "{",
        "}",
        "25",
        "inet",
        "unix",
        "-",
    )
    return "".join(line.format(*(rolls.choice((*words, *PIECES)) for _ in range(6))) for _ in range(rolls.randrange(5)))


def _site(rolls: random.Random) -> str:
    return json.dumps(
        {"domains": [rolls.choice(PIECES)], "delivery": {"address": rolls.choice(PIECES), "helo": "a.example"}}
    )


def _flow(rolls: random.Random) -> str:
    return json.dumps(
        {_text(rolls, 1): {"to": rolls.choice(PIECES), "client": rolls.choice(PIECES), "expect": _text(rolls, 1)}}
    )


def _zone(rolls: random.Random) -> str:
    return "".join(
        f"{{{{ name }}}}. 3600 IN {rolls.choice(('A', 'TXT', 'MX'))} {_text(rolls, 3)}\n" for _ in range(3)
    ) + _text(rolls)


def _broken(rolls: random.Random, content: bytes) -> bytes:
    """Cut, double or damage a few files."""
    kind, place = rolls.randrange(40), rolls.randrange(len(content) + 1)
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + rolls.randbytes(3) + content[place:]
    return content + content[place:] if kind == 2 else content


_FILES: tuple[tuple[str, Callable[[random.Random], str]], ...] = (
    ("tables/{}", _table), ("tables/{}", _table), ("tables/{}", _table), ("master.d/x{1}.cf", _services),
    ("master.d/site{1}-x.cf", _services), ("sites/site{1}/site.yaml", _site), ("sites/site{1}/tables/{}", _table),
    ("hosts/h{1}.yaml", _mail), ("hosts/mx.test.example.yaml", _mail), ("flows/f{1}.yaml", _flow),
    ("dns/z{1}.zone.j2", _zone), ("secrets/x.age", _table),
)  # fmt: skip
