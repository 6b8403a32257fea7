"""A rehearsal's report -> Findings: what Postfix said, and what became of the mail.

Pure. A finding is traced to the service that spoke, and from there to the parameter whose name or value the words
hold. What only the isolation explains (databases that are out of reach, certificates of the world's own) is no finding.
Raises nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from reconciler.maillog import parse
from reconciler.model import Finding, Severity, Where

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.flows import Flow
    from reconciler.maillog import Logged
    from reconciler.model import Parameter, Service
    from reconciler.script import Script

_TROUBLE = re.compile(r"4\d\d[ -]4\.(?:3|6)\.\d|454[ -]4\.7\.0|421[ -]")  # RFC 3463: x.3.x is the mail system itself
_DEATH = re.compile(r"(?:fatal|panic): (?P<text>.*)")
_WARNING = re.compile(r"warning: (?P<text>.*)")
_HELPERS = frozenset({"cleanup", "trivial-rewrite", "proxymap"})
# What is only so in a rehearsal, or says nothing of a setting.
_HARMLESS = re.compile(
    r"""symlink\ leaves | group\ or\ other\ writable | not\ owned\ by | does\ not\ resolve\ to\ address
    | process\ .*\ (?:exit\ status|killed) | connect\ to\ .*(?:anvil|verify|postlog)
    | numeric\ (?:domain|hostname) | hostname\ .*\ verification | address_verify | lost\ connection
    | TLS\ library\ problem.*(?:alert|certificate) | certificate\ verification\ failed | Illegal\ address\ syntax
    | non-SMTP\ command | queue\ file\ size\ limit | private/(?:anvil|scache)\ socket
    | DNSSEC\ validation\ may\ be\ unavailable | dnssec_probe
    | rehearsal\.example | 198\.1[89]\. | has\ been\ queued""",
    re.VERBOSE,
)


def findings_of(script: Script, report: dict[str, Any]) -> list[Finding]:
    """Everything that is wrong or doubtful; each thing once."""
    judge = _Judge(script, report)
    found = [*judge.life(), *judge.log(), *judge.dialogues(), *judge.agents(), *judge.flows()]
    return list({(one.rule, one.subject): one for one in reversed(found)}.values())[::-1]


class _Judge:
    """One report, and where its words come from."""

    def __init__(self, script: Script, report: dict[str, Any]) -> None:
        self._script, self._report = script, report
        self._logged = [one for line in report["log"] if (one := parse(line))]
        self._tags = {f"r{number}": service for number, service in enumerate(script.services)}

    # ---- what Postfix says -------------------------------------------------------------------------------------------

    def life(self) -> Iterator[Finding]:
        """Whether the master started, and still runs."""
        if self._report["started"]:
            yield self._traced(
                "master-fails", f"in a rehearsal the master does not start: {self._reason()}", "master", None
            )
        elif not self._report["alive"]:
            yield self._traced("master-fails", f"in a rehearsal the master dies: {self._reason()}", "master", None)

    def _reason(self) -> str:
        texts = [
            match["text"]
            for one in self._logged
            if one.program in {"master", "postfix"} and (match := _DEATH.search(one.text))
        ]
        return texts[0] if texts else str(self._report["started"]) or "it does not say why"

    def log(self) -> Iterator[Finding]:
        """What daemons die of, and the warnings that a setting is not in force."""
        for one in self._logged:
            service = self._tags.get(one.tag.partition("/")[0])
            if match := _DEATH.search(one.text):
                if one.program != "master":
                    text = f"in a rehearsal {one.program} dies: {match['text']}"
                    yield self._traced("service-dies", text, self._subject(one, match["text"]), service, match["text"])
            elif (
                (match := _WARNING.search(one.text))
                and not _HARMLESS.search(match["text"])
                and not self._is_outside(one.text)
            ):
                text = f"in a rehearsal {one.program} warns: {match['text']}"
                yield self._traced(
                    "warning-in-rehearsal",
                    text,
                    self._subject(one, match["text"]),
                    service,
                    match["text"],
                    severity=Severity.WARNING,
                )

    def _subject(self, one: Logged, text: str) -> str:
        return f"{one.program} {re.sub(r'[0-9]+', '0', text)}"

    def _is_outside(self, text: str) -> bool:
        return any(name in text for name in self._script.outside)

    # ---- what it answers ---------------------------------------------------------------------------------------------

    def dialogues(self) -> Iterator[Finding]:
        """Listeners that do not answer, or answer that they can't."""
        for asked, told in zip(self._script.play["dialogues"], self._report["dialogues"], strict=False):
            listener = asked["listener"]
            service = self._script.services[listener["service"]]
            place = f"{service.key} on {_shown(listener)}"
            if told["error"] and not (listener["asks_certificate"] and "TLS" in told["error"]):
                last = f' after "{told["steps"][-1][0]}"' if told["steps"] else ""
                yield self._traced(
                    "listener-fails", f"in a rehearsal {place}: {told['error']}{last}", f"{service.key} fails", service
                )
            for said, reply in told["steps"]:
                if _TROUBLE.match(reply) and not (self._script.outside and "4.3.0" in reply):
                    why = self._why(listener["service"])
                    text = f'in a rehearsal {place} answers "{_line(reply)}" to {said}{f" ({why})" if why else ""}'
                    yield self._traced(
                        "listener-fails", text, f"{service.key} {_code(reply)}", service, f"{said} {why}"
                    )
            yield from self._missing_offers(listener, service, place, told["steps"])

    def _why(self, number: int) -> str:
        """The last warning that this service, or cleanup on its behalf, has logged."""
        spoke = [one for one in self._logged if one.tag.startswith(f"r{number}/") or one.program in _HELPERS]
        texts = [match["text"] for one in spoke if (match := _WARNING.search(one.text))]
        return texts[-1] if texts else ""

    def _missing_offers(
        self, listener: dict[str, Any], service: Service, place: str, steps: list[list[str]]
    ) -> Iterator[Finding]:
        """TLS and logins that are asked for and not offered."""
        greetings = [reply for said, reply in steps if said.startswith("EHLO") and reply.startswith("2")]
        if not greetings:
            return
        if listener["tls"] in {"may", "encrypt"} and not listener["wrapped"] and "STARTTLS" not in greetings[0]:
            text = f"in a rehearsal {place} offers no STARTTLS, though smtpd_tls_security_level = {listener['tls']}"
            yield self._traced(
                "starttls-not-offered", text, f"{service.key} STARTTLS", service, "smtpd_tls_security_level"
            )
        if listener["sasl"] and not any("AUTH" in greeting for greeting in greetings):
            text = f"in a rehearsal {place} offers no AUTH, though smtpd_sasl_auth_enable = yes"
            yield self._traced("auth-not-offered", text, f"{service.key} AUTH", service, "smtpd_sasl_auth_enable")

    # ---- what becomes of mail ----------------------------------------------------------------------------------------

    def agents(self) -> Iterator[Finding]:
        """Delivery agents that master(8) can't keep alive; what one died of is in the log."""
        for one in self._logged:
            if one.program in {"qmgr", "oqmgr"} and (
                match := re.search(r"connect to transport private/(\S+?):|transport (\S+) failure", one.text)
            ):
                name = match[1] or match[2]
                service = next((one for one in self._script.services if one.name == name), None)
                yield self._traced(
                    "transport-fails", f"in a rehearsal mail for the transport {name} waits: {one.text}", name, service
                )

    def flows(self) -> Iterator[Finding]:
        """Mail-flow tests that do not hold."""
        played = {one["id"]: told for one, told in zip(self._script.play["flows"], self._report["flows"], strict=False)}
        for number, flow in zip(self._numbers(), self._script.flows, strict=True):
            told = played.get(f"flow-{number}")
            if told is not None and (problem := self._broken(flow, f"flow-{number}", told)):
                severity = Severity.WARNING if self._script.outside else Severity.ERROR
                unsure = f" (not sure: {self._script.outside[0]} is out of reach here)" if self._script.outside else ""
                text = f'flow "{flow.name}": {problem}{unsure}'
                yield Finding(rule="flow-fails", where=flow.where, text=text, subject=flow.name, severity=severity)
        for flow in self._script.unheard:
            if flow.expect.refused is None:
                text = f'flow "{flow.name}": nothing listens on port {flow.port} for a client at {flow.client}'
                yield Finding(rule="flow-fails", where=flow.where, text=text, subject=flow.name)

    def _numbers(self) -> list[int]:
        return [int(one["id"].rpartition("-")[2]) for one in self._script.play["flows"]]

    def _broken(self, flow: Flow, identity: str, told: dict[str, Any]) -> str:
        """How a flow differs from what is expected; empty when it holds."""
        refusal = next((reply for _, reply in told["steps"] if reply[:1] in {"4", "5"}), "")
        said = next((said for said, reply in told["steps"] if reply == refusal), "")
        if flow.expect.refused is not None:
            if told["sent"]:
                return f"expected {_refused(flow.expect.refused)}, but it was accepted"
            if refusal and not refusal.startswith(flow.expect.refused):
                return f'expected {_refused(flow.expect.refused)}, got "{_line(refusal)}"'
            return "" if refusal or told["error"] else "expected a refusal, got none"
        if not told["sent"]:
            return f'expected accepted, got "{_line(refusal) or told["error"]}" to {said or "the connection"}'
        return self._misdelivered(flow, identity) if flow.expect.is_delivered else ""

    def _misdelivered(self, flow: Flow, identity: str) -> str:
        facts = self._fate(identity)
        if not facts:
            return "expected a delivery, but none was tried in time"
        wanted = {
            name: getattr(flow.expect, name)
            for name in ("status", "transport", "nexthop", "sender", "recipient", "source", "helo")
        }
        problems = []
        for name, value in wanted.items():
            if value is None:
                continue
            got = facts.get(name)
            same = set(value) == set(got or ()) if name == "recipient" else value == got
            if not same:
                shown = ", ".join(value) if isinstance(value, tuple) else value
                problems.append(
                    f"expected {name} {shown}, got {', '.join(got) if isinstance(got, list) else got or 'none'}"
                )
        return "; ".join(problems)

    def _fate(self, identity: str) -> dict[str, Any]:
        """What became of a flow's message, by the log and by what the world received."""
        queue = next(
            (m[1] for one in self._logged if (m := re.match(rf"(\w+): message-id=<{identity}@", one.text))), None
        )
        ends = [
            (one, match) for one in self._logged
            if (match := re.match(r"(\w+): to=<([^>]*)>.* status=(\w+)", one.text)) and match[1] == queue
        ]  # fmt: skip
        if not ends:
            return {}
        last, match = ends[-1]
        service = self._tags.get(last.tag.partition("/")[0])
        sender = next((m[1] for one in self._logged if (m := re.match(rf"{queue}: from=<([^>]*)>", one.text))), None)
        facts: dict[str, Any] = {
            "status": match[3], "transport": service.name if service else last.program, "sender": sender,
            "recipient": [end[2] for _, end in ends],
            "nexthop": self._report["routes"].get(identity, {}).get("nexthop"),
        }  # fmt: skip
        arrived = [one for one in self._report["received"] if any(f"<{identity}@" in line for line in one["header"])]
        if arrived:
            facts |= {"sender": arrived[-1]["sender"], "source": arrived[-1].get("source"), "helo": arrived[-1]["helo"]}
            facts["recipient"] = [address for one in arrived for address in one["recipients"]]
        return facts

    # ---- where it comes from -----------------------------------------------------------------------------------------

    def _traced(
        self, rule: str, text: str, subject: str, service: Service | None, words: str = "",
        *, severity: Severity = Severity.ERROR,
    ) -> Finding:  # fmt: skip
        culprit = self._culprit(words or text, service)
        where = culprit.where if culprit else service.where if service else Where("mail.yaml")
        return Finding(rule=rule, where=where, text=text, subject=subject, severity=severity, lasting=False)

    def _culprit(self, words: str, service: Service | None) -> Parameter | None:
        """The setting that the words name, or whose value they quote; a service's own options first."""
        merged = self._script.merged
        settings = [*(service.overrides if service else ()), *merged.parameters.values()]
        named = [one for one in settings if re.search(rf"(?<![\w-]){re.escape(one.name)}(?![\w-])", words)]
        quoted = [one for one in settings if len(one.value) > 3 and one.value in words]  # noqa: PLR2004 - not just any word
        return next(iter(named or quoted), None)


def _shown(listener: dict[str, Any]) -> str:
    address = listener["address"]
    return f"[{address}]:{listener['port']}" if ":" in address else f"{address}:{listener['port']}"


def _refused(code: str) -> str:
    return f"refused with {code.ljust(3, 'x')}" if code else "refused"


def _line(reply: str) -> str:
    return reply.splitlines()[-1] if reply else ""


def _code(reply: str) -> str:
    return reply[:3]
