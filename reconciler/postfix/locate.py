"""Where in the desired state the cause of Postfix's words stands: an entry of a table, a setting, a service.

Pure: the words name a file and its line, a parameter, a value or a part of one. Raises nothing.

Known limit: it is a guess, the best that words allow; what names nothing of ours is put down to the service that spoke.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.model import Where
from reconciler.postfix.references import own_name
from reconciler.postfix.scopes import CONFIG_DIRECTORY, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Parameter, Service

_LINE = re.compile(r"(?P<path>/[^\s,:]+),? line (?P<line>\d+)")
_PART = re.compile(r'"([^"\s]{3,})"|private/([\w.-]+)|subsystem \S*/([\w.-]+)|nesting for (\S+)')
# What Postfix says of a setting without its name.
_PHRASES = (
    ("No server certs", ("smtpd_tls_cert_file", "smtpd_tls_security_level")),
    ("STARTTLS", ("smtpd_tls_cert_file", "smtpd_tls_security_level")),
    ("SASL per-process", ("smtpd_sasl_type",)),
    ("no SASL authentication mechanisms", ("smtpd_sasl_path", "smtpd_sasl_type")),
    ("SASL library", ("smtp_sasl_type",)),
    ("SASL authentication failure", ("smtp_sasl_security_options", "smtp_sasl_auth_enable")),
    ("relayhost configuration", ("relayhost",)),
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
_LARGEST = 1 << 20
_SHORTEST = 5


@dataclass(frozen=True, slots=True)
class Locator:
    """Everything that may be the cause: what features made of the desired state, for a configuration *directory*."""

    merged: Contribution
    directory: str

    def locate(self, text: str, service: Service | None) -> Where:
        """The place that *text*, said by *service*, leads to."""
        text = text.replace("><", "")  # where Postfix puts what it could not read
        settings = [*(service.overrides if service else ()), *self.merged.parameters.values()]
        # From the surest to the vaguest: a line, a name, a known phrase, words of a value, quoted words, an address.
        where = (
            self._line(text) or self._named(text, settings) or self._phrased(text, settings)
            or self._worded(text, settings) or self._part(text, settings) or self._listener(text)
        )  # fmt: skip
        return where or (service.where if service else Where("mail.yaml"))

    def _line(self, text: str) -> Where | None:
        """An entry of a table that is read as text."""
        match = _LINE.search(text)
        table = self.merged.tables.get(own_name(self._general(match["path"])) or "") if match else None
        return table.at(int(match["line"])) if match and table else None

    def _named(self, text: str, settings: list[Parameter]) -> Where | None:
        """The setting that is named, or whose value is quoted; a service's own options come first."""
        long = (setting for setting in settings if len(setting.value) >= _SHORTEST)
        quoted = next((setting for setting in long if f'"{setting.value}"' in text), None)
        named = quoted or next((setting for setting in settings if _holds(text, setting.name)), None)
        return self._entry(text, named) if named else None

    def _worded(self, text: str, settings: list[Parameter]) -> Where | None:
        """The setting of which a word is said, or the table that stands in one."""
        general = self._general(text)
        for setting in settings:
            listed = words(setting.value)
            tables = (word.partition(":")[2] for word in listed if ":{" in word)
            if any(len(word) >= _SHORTEST and _holds(general, word) for word in (setting.value, *listed, *tables)):
                return self._entry(text, setting)
        return None

    def _entry(self, text: str, setting: Parameter) -> Where:
        """Of a setting that a table has made by itself, the entry that the words speak of."""
        names = [table.name for table in self.merged.tables.values() if table.file == setting.where.file]
        parts = [part for match in _PART.findall(text) for part in match if part]
        return next((place for name in names for place in self._entries(parts, name)), setting.where)

    def _part(self, text: str, settings: list[Parameter]) -> Where | None:
        """A setting or an entry that holds what the words quote."""
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
        for number, line in enumerate(table.source.decode("utf-8", "replace").splitlines(), 1):
            if any(_holds(line, part) for part in parts):
                yield table.at(number)

    def _phrased(self, text: str, settings: list[Parameter]) -> Where | None:
        names = next((names for words, names in _PHRASES if words in text), ())
        return next((setting.where for name in names for setting in settings if setting.name == name), None)

    def _listener(self, text: str) -> Where | None:
        """The service that can't have its address, or whose program is told of."""
        for service in self.merged.entries:
            parts = [part for part in re.split(r"[\[\]]|:(?=\w+\Z)", service.name) if part]
            is_named = service.type == "inet" and all(_holds(text, part) for part in parts)
            if is_named or f"/{service.command}:" in text:
                return service.where
        return None

    def _general(self, text: str) -> str:
        """As the desired state writes it."""
        return text.replace(self.directory, CONFIG_DIRECTORY)


def _holds(text: str, word: str) -> bool:
    """Whether a word stands in the text, not as part of a longer one."""
    return word in text and re.search(rf"(?<![\w@.-]){re.escape(word)}(?![\w-]|\.\w)", text) is not None
