"""postconf(1): what it prints of parameters, read by pure parsers.

Promises: a configuration that is not live is asked as a copy, because postconf sleeps while main.cf is fresh, and fails
for a mistake in master.cf. What main.cf makes of LIVE follows from its bytes, the program and the host's name, and is
kept by them: 8 ms for each new main.cf. Raises CommandFailed for a program that fails, or not in time.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import SPACE, split_lines, split_words
from reconciler.model.past import Past
from reconciler.postfix.restrictions import LISTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.host.effects import Completed, Host

POSTCONF = Path("/usr/sbin/postconf")
AGE = 10.0  # seconds: every Postfix program sleeps while its main.cf is younger than two
MAIN, MASTER = "main.cf", "master.cf"
FOLDERS = ("queue_directory", "daemon_directory", "command_directory", "meta_directory", "shlib_directory")
PATHS = ("sendmail_path", "mailq_path", "newaliases_path", "manpage_directory", "html_directory", "readme_directory")
HASHING = ("hash_queue_names", "hash_queue_depth")
_THINKING = (
    *LISTS, "smtpd_restriction_classes", "smtpd_error_sleep_time", "address_verify_poll_count",
    "address_verify_poll_delay", "smtpd_milters", "milter_command_timeout", "smtpd_proxy_filter", "smtpd_proxy_timeout",
    "smtpd_policy_service_timeout", "smtpd_policy_service_try_limit", "smtpd_policy_service_retry_delay",
)  # fmt: skip
"""What says how long smtpd may take for an answer."""
LIVE = (
    *FOLDERS, *PATHS, *HASHING, "data_directory", "process_id_directory", "mail_owner", "mail_version", "maillog_file",
    "syslog_name", "multi_instance_name", "multi_instance_enable", "multi_instance_directories",
    "master_service_disable", "inet_interfaces", "inet_protocols",
    "smtpd_tls_wrappermode", "smtpd_tls_req_ccert", "smtpd_upstream_proxy_protocol", "postscreen_greet_wait",
    "postscreen_upstream_proxy_protocol", "mynetworks", "myhostname", "mydestination", "virtual_alias_domains",
    "virtual_alias_maps", "virtual_mailbox_domains", "virtual_mailbox_maps", "relay_domains", "relay_recipient_maps",
    *_THINKING,
)  # fmt: skip
OWN_FOLDER = "$config_directory"
"""Stands in the values for the directory that was asked about."""
_known: Past[Mapping[str, str]] = Past(32)


def installed() -> tuple[int, ...]:
    """What changes when another Postfix is installed; empty while there is none."""
    try:
        status = POSTCONF.stat()
    except FileNotFoundError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size


def values(host: Host, text: bytes) -> Mapping[str, str]:
    """Return the values that main.cf with this text gives to LIVE, as they are in any directory."""
    known = _known.used(_key(host, text))
    if known is None:
        with scratch(text) as copy:
            known = keep(host, text, copy, host.run(("postconf", "-c", str(copy), "-x", *LIVE)).checked())
    return known


def keep(host: Host, text: bytes, directory: Path, told: Completed) -> Mapping[str, str]:
    """Keep the values that postconf printed of main.cf with this text in a directory."""
    printed = parse_settings(told.stdout.replace(str(directory), OWN_FOLDER))
    values = {name: printed[name] for name in LIVE if name in printed}
    _known.keep(_key(host, text), values)
    return values


def _key(host: Host, text: bytes) -> tuple[object, ...]:
    return host, text, installed(), os.uname().nodename


@contextmanager
def scratch(main: bytes = b"") -> Iterator[Path]:
    """A folder for a moment, to ask postconf in: it holds this main.cf, old enough, and an empty master.cf."""
    with tempfile.TemporaryDirectory(prefix="reconciler-") as name:
        directory = Path(name)
        (directory / MAIN).write_bytes(main)
        (directory / MASTER).touch()
        os.utime(directory / MAIN, (time.time() - AGE,) * 2)
        yield directory


def parse_settings(text: str) -> dict[str, str]:
    """Read what ``postconf`` prints: ``name = value``, one a line."""
    pairs = (line.partition("=") for line in split_lines(text))
    return {name.strip(SPACE): value.strip(SPACE) for name, equals, value in pairs if equals}


def defaults(host: Host, directory: Path) -> dict[str, str]:
    """Every parameter this Postfix knows, with its default as written, nothing expanded. Needs no main.cf."""
    return parse_settings(host.run(("postconf", "-c", str(directory), "-d")).checked().stdout)


def map_types(host: Host, directory: Path) -> frozenset[str]:
    """The types of table this Postfix can read. Needs a main.cf, though an empty one will do."""
    return frozenset(split_words(host.run(("postconf", "-c", str(directory), "-m")).checked().stdout))
