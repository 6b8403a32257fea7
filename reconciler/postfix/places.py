"""The place where a person must write because of a finding about a Postfix that runs: a line of the desired state.

What a verification, an activation or a probation finds comes with a place on this host, such as the generated
master.cf, or with none. Its line in the desired state is, from certain to vague: what the finding's text names; for an
error, the only line that the commit changed; the service; the setting that decides about such a service; and the place
where one would write it. A finding about the host alone keeps its file of this host. Pure; raises nothing.

Known limit: a finding keeps its place on the host while no commit is known that Postfix runs with.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reconciler.model import UNWRITTEN, Contribution
from reconciler.postfix.locate import Locator
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model import Companion, Finding, Parameter, Service, Where

_GENERATED = ("main.cf", "master.cf")
_ADDRESSES = ("inet_interfaces", "inet_protocols")
# The settings that a finding is about, although its text does not name them.
_SETTINGS = {
    "service-silent": _ADDRESSES,
    "service-fails": _ADDRESSES,
    "queue-left-behind": ("queue_directory",),
    "nothing-verified": (
        "mydestination", "virtual_mailbox_domains", "virtual_alias_domains", "relay_domains",
        "smtpd_relay_restrictions", "smtpd_recipient_restrictions",
    ),
}  # fmt: skip
_OF_LISTENERS = frozenset({"nothing-verified"})
# Their texts quote neither Postfix nor a setting.
_IN_OWN_WORDS = names(
    "companion-in-use master-died no-way-back not-confirmed nothing-verified queue-left-behind stopped-meanwhile"
)
# A reply is quoted, and what Postfix logged follows; the words around it are ours. A rehearsal has looked for its own.
_ANSWERS, _TO, _LOGGED = 'answers "', '" to ', "; Postfix logged: "
_REHEARSED = "in a rehearsal "


def _said_by_postfix(text: str) -> str:
    """Return the reply that a finding quotes, and what Postfix logged; the whole text if it quotes no reply."""
    _, answers, rest = text.partition(_ANSWERS)
    reply, to, rest = rest.partition(_TO)
    return "".join((reply, *rest.partition(_LOGGED)[1:])) if answers and to else text


@dataclass(frozen=True, slots=True)
class SourcePlaces:
    """The places of what *merged* holds, for a configuration *directory*; without services, no place is known.

    *changed* is the only place that the commit changes, None if there are several; *home* as in Desired.
    """

    merged: Contribution = field(default_factory=Contribution)
    directory: str = "/etc/postfix"
    home: Where = UNWRITTEN
    changed: Where | None = None

    def of(self, finding: Finding) -> Finding:
        """Return the finding at the place where a person must write."""
        (found,) = self.of_all([finding])
        return found

    def of_all(self, findings: Iterable[Finding]) -> list[Finding]:
        """Return findings of one cause at their places; errors that name nothing are where the first is that does."""
        findings = list(findings)
        if not self.merged.entries:
            return findings
        named = [self._named(finding) for finding in findings]
        causes = (where for where, one in zip(named, findings, strict=True) if where and one.is_error)
        known = replace(self, changed=next(causes, self.changed))
        return [replace(one, where=where or known.guess(one)) for where, one in zip(named, findings, strict=True)]

    def _named(self, finding: Finding) -> Where | None:
        """Return the place that the text names."""
        text, speakers = _said_by_postfix(finding.text), self._services(finding)
        if finding.rule in _IN_OWN_WORDS or text.startswith(_REHEARSED):
            return None
        locator, speaker = Locator(self.merged, self.directory), next(iter(speakers), None)
        return _written(locator.named(text, speaker) or (None if speaker else locator.listener(text)))

    def guess(self, finding: Finding) -> Where:
        """Return the place that is meant, if the text of the finding names none."""
        return next(self._guesses(finding), finding.where)

    def _guesses(self, finding: Finding) -> Iterator[Where]:
        """Yield the places that may be meant, the most likely one first."""
        is_apart = finding.where.is_of_host and not self._is_generated(finding.where)
        if finding.is_error and self.changed and not is_apart:
            yield self.changed
        if finding.where != UNWRITTEN and not finding.where.is_of_host and not self._is_generated(finding.where):
            yield finding.where
        services = self._services(finding)
        causes: list[Companion | Service | Parameter | None] = [
            self.merged.companions.get(finding.subject),
            *(services if len(services) == 1 else ()),
            *map(self.merged.parameters.get, _SETTINGS.get(finding.rule, ())),
        ]
        if finding.rule in _OF_LISTENERS:
            causes += self.merged.of_type("inet")
        yield from (one.where for one in causes if one and one.where != UNWRITTEN)
        if self.home != UNWRITTEN and not is_apart:
            yield self.home

    def _is_generated(self, where: Where) -> bool:
        """Return whether it is a place in what reconciler writes, where no person writes."""
        return where.file in {*_GENERATED, *(f"{self.directory}/{name}" for name in _GENERATED)}

    def _services(self, finding: Finding) -> list[Service]:
        """Return the services that the finding is about: its subject names a service, or a program of services."""
        entries = self.merged.entries
        named = [one for one in entries if one.key == finding.subject]
        return named or [one for one in entries if one.command == finding.subject]


def _written(where: Where | None) -> Where | None:
    return None if where == UNWRITTEN else where
