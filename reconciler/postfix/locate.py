"""The place in the desired state that a message of Postfix is about: an entry of a table, a setting or a service.

Pure: a message names a file and its line, a parameter, or a value or part of one. Raises nothing.

Known limit: the place is a guess. A message that names no part of the desired state is attributed to its service.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.model import UNWRITTEN
from reconciler.model.ascii_text import split_lines
from reconciler.postfix.references import own_name
from reconciler.postfix.scopes import CONFIG_DIRECTORY, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, DeployedFile, Parameter, Service, Where

_LINE = re.compile(r"(?<![^\s,:])[^\s,:/]*(?P<path>/[^\s,:]+),? line (?P<line>\d+)", re.ASCII)
_PART = re.compile(
    r'"([^"\s]{3,})"|private/([\w.-]+)|subsystem \S*/([\w.-]+)|nesting for (\S+)'
    r"|(?:server|proxy filter|TCP map) ([^\s']+):(?: |\Z)",
    re.ASCII,
)
# Messages of Postfix about settings that they do not name.
_PHRASES = (
    ("in virtual mailbox table", ("virtual_mailbox_maps", "virtual_mailbox_domains")),
    ("in virtual alias table", ("virtual_alias_maps", "virtual_alias_domains")),
    ("in local recipient table", ("local_recipient_maps", "alias_maps", "mydestination")),
    ("in relay recipient table", ("relay_recipient_maps", "relay_domains")),
    ("Relay access denied", (
        "mydestination", "virtual_mailbox_domains", "virtual_alias_domains", "relay_domains",
        "smtpd_relay_restrictions", "smtpd_recipient_restrictions",
    )),
    ("system storage", ("queue_minfree", "message_size_limit")),
    ("free space in mail queue", ("queue_minfree", "message_size_limit")),
    ("Dovecot auth socket", ("smtpd_sasl_path", "smtpd_sasl_type")),
    ("not found in virtual_uid_maps", ("virtual_uid_maps", "virtual_mailbox_base", "virtual_mailbox_domains")),
    ("not found in virtual_gid_maps", ("virtual_gid_maps", "virtual_mailbox_base", "virtual_mailbox_domains")),
    ("maildir delivery", ("virtual_mailbox_base", "virtual_uid_maps", "home_mailbox", "mail_spool_directory")),
    ("Command output: local", ("mailbox_command", "mailbox_command_maps")),
    ("unknown user:", ("virtual_mailbox_maps", "local_recipient_maps", "alias_maps")),
    ("Server certificate not", ("smtp_tls_security_level", "smtp_tls_policy_maps")),
    ("TLS is required, but", ("smtp_tls_security_level", "smtp_tls_policy_maps")),
    ("loops back to myself", ("relayhost", "transport_maps", "default_transport")),
    ("authentication failed; server", ("smtp_sasl_password_maps",)),
    ("No server certs", ("smtpd_tls_cert_file", "smtpd_tls_security_level")),
    ("STARTTLS", ("smtpd_tls_cert_file", "smtpd_tls_security_level")),
    ("SASL per-process", ("smtpd_sasl_type",)),
    ("no SASL authentication mechanisms", ("smtpd_sasl_path", "smtpd_sasl_type")),
    ("SASL library", ("smtp_sasl_type",)),
    ("SASL authentication failure", ("smtp_sasl_security_options", "smtp_sasl_auth_enable")),
    ("relayhost configuration", ("relayhost",)),
    ("unable to get exclusive lock", ("postscreen_cache_map", "address_verify_map")),
    ("bad DNSBL", ("postscreen_dnsbl_sites",)),
    ("RBL reply error", tuple(f"smtpd_{stage}_restrictions" for stage in ("recipient", "client", "sender", "helo"))),
    ("same TLS cache file", ("smtp_tls_session_cache_database", "smtpd_tls_session_cache_database")),
    ("dane configured", ("smtp_dns_support_level", "smtp_tls_security_level")),
    ("client TLS configuration", ("smtp_tls_policy_maps", "smtp_tls_security_level")),
    ("cipher", (
        "tls_medium_cipherlist", "tls_high_cipherlist", "smtpd_tls_exclude_ciphers", "smtp_tls_exclude_ciphers",
    )),
    ("TLS handshake", (
        "smtpd_tls_protocols", "smtpd_tls_mandatory_protocols", "tls_medium_cipherlist", "tls_high_cipherlist",
        "smtpd_tls_exclude_ciphers", "smtpd_tls_wrappermode", "smtpd_tls_chain_files", "smtpd_tls_security_level",
    )),
)  # fmt: skip
# What surrounds a reply in the log: "reject" is a word of many settings, and the end is the client's.
_REPLIED = re.compile(r"(?<!\w)\w+: (?:milter-)?(?:reject|hold): \S+ from \S+: |; from=<.*", re.ASCII)
_LARGEST = 1 << 20
_SHORTEST = 5


@dataclass(frozen=True, slots=True)
class Locator:
    """The possible causes: the contributions of all features, for a configuration *directory*."""

    merged: Contribution
    directory: str

    def locate(self, text: str, service: Service | None) -> Where:
        """Return the place that *text*, a message of *service*, is about."""
        return self.named(text, service) or self.listener(text) or (service.where if service else UNWRITTEN)

    def named(self, text: str, service: Service | None) -> Where | None:
        """Return the place of the setting or the entry that *text* names, or None; the service's options come first."""
        text = _plain(text)
        settings = [*(service.overrides if service else ()), *self.merged.parameters.values()]
        # From certain to vague: a line, a name, a known phrase, words of a value, quoted words.
        return (
            self._line(text) or self._named(text, settings) or self._phrased(text, settings)
            or self._worded(text, settings) or self._part(text, settings)
        )  # fmt: skip

    def _line(self, text: str) -> Where | None:
        """Return the place of a line in a table that Postfix reads as text, or in a file of the commit."""
        match = _LINE.search(text)
        path = self._general(match["path"]) if match else ""
        made = self.merged.tables.get(own_name(path, self.directory) or "") or self._file(path)
        return made.at(int(match["line"])) if match and made else None

    def _file(self, path: str) -> DeployedFile | None:
        return self.merged.files.get(path.removeprefix(f"{CONFIG_DIRECTORY}/"))

    def _named(self, text: str, settings: list[Parameter]) -> Where | None:
        """Return the place of a setting whose name or value is in the text; the service's own options come first."""
        long = (setting for setting in settings if len(setting.value) >= _SHORTEST)
        by_value = next((setting for setting in long if f'"{setting.value}"' in text), None)
        setting = by_value or next((setting for setting in settings if _holds(text, setting.name)), None)
        return self._entry(text, setting) if setting else None

    def _worded(self, text: str, settings: list[Parameter]) -> Where | None:
        """Return the place of a setting if the text has a word of its value, or of a table in it."""
        general = self._general(text)
        for setting in settings:
            elements = words(setting.value)
            tables = (word.partition(":")[2] for word in elements if ":{" in word)
            if any(len(word) >= _SHORTEST and _holds(general, word) for word in (setting.value, *elements, *tables)):
                return self._entry(text, setting)
        return None

    def _entry(self, text: str, setting: Parameter) -> Where:
        """Return the place of a setting; if a table generated it, the place of the entry that the text names."""
        names = [table.name for table in self.merged.tables.values() if table.file == setting.where.file]
        parts = [part for match in _PART.findall(text) for part in match if part]
        return next((place for name in names for place in self._entries(parts, name)), setting.where)

    def _part(self, text: str, settings: list[Parameter]) -> Where | None:
        """Return the place of a setting or an entry that contains a quoted part of the text."""
        parts = [part for match in _PART.findall(text) for part in match if part]
        for part in parts:
            for setting in settings:
                if _holds(setting.value, part):
                    return setting.where
        return next((place for name in self.merged.tables for place in self._entries(parts, name)), None)

    def _entries(self, parts: list[str], name: str) -> Iterator[Where]:
        table = self.merged.tables[name]
        if len(table.source) > _LARGEST:
            return
        for number, line in enumerate(split_lines(table.source.decode("utf-8", "replace")), 1):
            if any(_holds(line, part) for part in parts):
                yield table.at(number)

    def _phrased(self, text: str, settings: list[Parameter]) -> Where | None:
        names = next((names for words, names in _PHRASES if words in text), ())
        return next((setting.where for name in names for setting in settings if setting.name == name), None)

    def listener(self, text: str) -> Where | None:
        """Return the place of a service whose address or program the text names."""
        text = _plain(text)
        for service in self.merged.entries:
            parts = [part for part in re.split(r"[\[\]]|:(?=\w+\Z)", service.name, flags=re.ASCII) if part]
            is_named = service.type == "inet" and all(_holds(text, part) for part in parts)
            if is_named or f"/{service.command}:" in text:
                return service.where
        return None

    def _general(self, text: str) -> str:
        """Return the text with the configuration directory as the desired state writes it."""
        return text.replace(self.directory, CONFIG_DIRECTORY)


def _plain(text: str) -> str:
    """Return the text without what is a client's, and without the marks of Postfix at a syntax error."""
    return _REPLIED.sub("", text.replace("><", ""))


def _holds(text: str, word: str) -> bool:
    """Return whether the text contains a word, not as part of a longer word."""
    return word in text and re.search(rf"(?<![\w@.-]){re.escape(word)}(?![\w-]|\.\w)", text, re.ASCII) is not None
