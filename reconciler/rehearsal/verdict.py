"""A rehearsal's report -> Findings: what Postfix said, and what became of the mail.

Pure. A finding is traced to the service that spoke, and from there to the parameter whose name or value the words
hold. What only the isolation explains (databases that are out of reach, certificates of the world's own) is no finding.
Raises nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from reconciler.model import Finding, Severity, did_you_mean
from reconciler.postfix.locate import Origin
from reconciler.postfix.log import parse
from reconciler.rehearsal.received import Intake, last_line, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.desired.flows import Flow
    from reconciler.model import Service
    from reconciler.postfix.log import LogLine
    from reconciler.rehearsal.script import Script

# RFC 3463: x.3.x is the mail system itself, but for x.3.2, which is how a policy puts everybody off.
_TROUBLE = re.compile(r"4\d\d[ -]4\.(?:3\.[^2]|6\.\d)|454[ -]4\.7\.0|421[ -]")
_DEATH = re.compile(r"\A(?:fatal|panic): (?P<text>.*)")
_WARNING = re.compile(r"\A(?:warning: |(?=cannot load .*disabling TLS))(?P<text>.*)")
_WAITS = re.compile(r"connect(?: #\d+)? to (?:transport|subsystem) private/(\S+?):|transport (\S+) failure")
_UNDELIVERED = re.compile(
    r"status=(?:deferred|bounced) \((?P<text>.*(?:\bstatus 127\b|command not found|execvp).*|"
    r"recipient \S+: uid not found.*|mail system configuration error.*|client TLS configuration problem.*)\)"
)
_HANG_UPS = frozenset({"Connection refused", "Connection reset by peer", "it hangs up without a reply"})
# A table that is not in force, or not whole: what it was to stop passes, or mail is deferred.
_IN_VAIN = re.compile(r"\b(?:regexp|pcre|cidr) map .*, line \d+: | is unavailable\. ")
_HELPERS = frozenset({"cleanup", "trivial-rewrite", "proxymap"})
# What is only so in a rehearsal, or says nothing of a setting.
_HARMLESS = re.compile(
    r"""symlink\ leaves | group\ or\ other\ writable | not\ owned\ by | does\ not\ resolve\ to\ address
    | process\ .*\ (?:exit\ status|killed) | connect\ to\ .*(?:anvil|verify|postlog)
    | numeric\ (?:domain|hostname) | hostname\ .*\ verification | address_verify | lost\ connection
    | TLS\ library\ problem.*(?:alert|certificate) | certificate\ verification\ failed | Illegal\ address\ syntax
    | non-SMTP\ command | queue\ file\ size\ limit | private/(?:anvil|scache)\ socket
    | DNSSEC\ validation\ may\ be\ unavailable | dnssec_probe
    | file\ system\ clock\ is | resetting\ file\ time\ stamps | required\ alias\ not\ found
    | has\ been\ queued""",
    re.VERBOSE,
)


def findings_of(script: Script, report: dict[str, Any]) -> list[Finding]:
    """Everything that is wrong or doubtful; each thing once."""
    judge = _Judge(script, report)
    found = [*judge.life(), *judge.log(), *judge.dialogues(), *judge.fates(), *judge.deliveries(), *judge.flows()]
    each = list({(one.rule, one.subject): one for one in reversed(found)}.values())[::-1]
    said = [_unnumbered(one.text) for one in each if one.is_error]
    return [one for one in each if one.is_error or not any(_unnumbered(_words(one)) in text for text in said)]


class _Judge:
    """One report, and where its words come from."""

    def __init__(self, script: Script, report: dict[str, Any]) -> None:
        self._script, self._report = script, report
        self._logged = [one for line in report["log"] if (one := parse(line))]
        self._tags = {f"r{number}": service for number, service in enumerate(script.services)}
        self._origin = Origin(script.merged, script.play["directory"])
        self._deaths = [one for one in self._logged if _DEATH.search(one.text)]

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
                if one.program != "master" or "master_spawn" in one.text:
                    text = f"in a rehearsal {one.program} dies: {match['text']}"
                    yield self._traced("service-dies", text, self._subject(one, match["text"]), service, match["text"])
            elif (
                (match := _WARNING.search(one.text))
                and not _HARMLESS.search(match["text"])
                and not self._is_outside(one.text)
                and not self._is_told(one)
            ):
                text = f"in a rehearsal {one.program} warns: {match['text']}"
                yield self._traced(
                    "warning-in-rehearsal",
                    text,
                    self._subject(one, match["text"]),
                    service,
                    match["text"],
                    severity=Severity.ERROR if _IN_VAIN.search(match["text"]) else Severity.WARNING,
                )

    def _is_told(self, one: LogLine) -> bool:
        """Whether something else tells it better: the death that a throttling follows, the message that waits."""
        throttled = re.search(r"/(\w+): bad command startup", one.text)
        if throttled:
            return any(death.program in {throttled[1], "master"} for death in self._deaths)
        return _waits(one) is not None or ("TLS library problem" in one.text and not self._is_first(one))

    def _is_first(self, one: LogLine) -> bool:
        """Whether TLS speaks of a file that nothing else has named."""
        match = re.search(r"calling fopen\(([^,]+),", one.text)
        return match is not None and not any(f'"{match[1]}"' in other.text for other in self._logged)

    def _subject(self, one: LogLine, text: str) -> str:
        return f"{one.program} {_unnumbered(text)}"

    def _is_outside(self, text: str) -> bool:
        return any(name in text for name in self._script.outside)

    # ---- what it answers ---------------------------------------------------------------------------------------------

    def dialogues(self) -> Iterator[Finding]:
        """Listeners that do not answer, or answer that they can't."""
        for asked, told in zip(self._script.play["dialogues"], self._report["dialogues"], strict=False):
            listener = asked["listener"]
            service = self._script.services[listener["service"]]
            place = f"{service.key} on {shown(listener)}"
            if told["error"] and not self._is_known(listener, told["error"]):
                last = f' after "{told["steps"][-1][0]}"' if told["steps"] else ""
                yield self._traced(
                    "listener-fails", f"in a rehearsal {place}: {told['error']}{last}", f"{service.key} fails", service
                )
            for said, reply in told["steps"]:
                if _TROUBLE.match(reply) and not self._is_explained(reply, listener):
                    why = self._why(listener["service"])
                    text = f'in a rehearsal {place} answers "{last_line(reply)}" to {said}{f" ({why})" if why else ""}'
                    subject = f"{service.key} {reply[:3]} {_unnumbered(why)}".rstrip()
                    yield self._traced("listener-fails", text, subject, service, why or said)
            yield from self._missing_offers(listener, service, place, told["steps"])

    def _is_known(self, listener: dict[str, Any], error: str) -> bool:
        """Whether it is told already what the service died of, or a client without a certificate has to go."""
        died = any(one.tag.startswith(f"r{listener['service']}/") for one in self._deaths)
        return died or (listener["asks_certificate"] and "TLS" in error)

    def _is_explained(self, reply: str, listener: dict[str, Any]) -> bool:
        """Whether only the isolation makes it so: a table that is out of reach, a client without a certificate."""
        return bool(self._script.outside and "4.3.0" in reply) or (
            listener["asks_certificate"] and "certificate" in reply
        )

    def _why(self, number: int) -> str:
        """The last warning that this service, or cleanup on its behalf, has logged."""
        spoke = [one for one in self._logged if one.tag.startswith(f"r{number}/") or one.program in _HELPERS]
        spoke.sort(key=lambda one: one.program not in _HELPERS)
        texts = [match["text"] for one in spoke if (match := _WARNING.search(one.text))]
        telling = [text for text in texts if "TLS library problem" not in text and not _HARMLESS.search(text)]
        return telling[-1] if telling else ""

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

    def fates(self) -> Iterator[Finding]:
        """What is lost of all that is brought."""
        intake = Intake(self._script, self._report, self._logged, self._origin)
        yield from intake.kept_from_nobody()
        yield from intake.known_recipients()

    # ---- what becomes of mail ----------------------------------------------------------------------------------------

    def deliveries(self) -> Iterator[Finding]:
        """Mail that waits for an agent that master(8) can't keep alive, and commands that are not there."""
        for one in self._logged:
            service = self._tags.get(one.tag.partition("/")[0])
            if name := _waits(one):
                text = f"in a rehearsal mail for the transport {name} waits: {one.text.removeprefix('warning: ')}"
                yield self._traced("transport-fails", text, name, self._named(name), f"private/{name}")
            elif (match := _UNDELIVERED.search(one.text)) and not any(death.text in one.text for death in self._deaths):
                text = f"in a rehearsal {one.program} can't deliver: {match['text']}"
                yield self._traced("transport-fails", text, self._subject(one, match["text"]), service, match["text"])

    def _named(self, name: str) -> Service | None:
        return next((one for one in self._script.services if one.name == name), None)

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
            if not flow.port.isdigit() and flow.port not in self._script.ports:
                text = f'flow "{flow.name}": unknown port "{flow.port}"{did_you_mean(flow.port, self._script.ports)}'
                yield Finding(rule="flow-fails", where=flow.where, text=text, subject=flow.name)
            elif flow.expect.refused is None:
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
                return f'expected {_refused(flow.expect.refused)}, got "{last_line(refusal)}"'
            if not refusal and told["error"] not in _HANG_UPS:
                return f"it could not be tried: {told['error'] or 'no reply'}"
            return ""
        if not told["sent"]:
            return f'expected accepted, got "{last_line(refusal) or told["error"]}" to {said or "the connection"}'
        return self._misdelivered(flow, identity, told["queue"]) if flow.expect.is_delivered else ""

    def _misdelivered(self, flow: Flow, identity: str, queue: str) -> str:
        got = self._fate(identity, queue)
        if not got:
            return "expected a delivery, but none was tried in time"
        problems = []
        for name, values in got.items():
            wanted = getattr(flow.expect, name)
            expected = {wanted} if isinstance(wanted, str) else set(wanted or ())
            if wanted is not None and values != expected:
                problems.append(f"expected {name} {_listed(expected)}, got {_listed(values) or 'none'}")
        return "; ".join(problems)

    def _fate(self, identity: str, queue: str) -> dict[str, set[str]]:
        """What became of a flow's message, each recipient of it: by the log, and by what the world received."""
        queues = {queue} | {
            m[1] for one in self._logged if (m := re.match(rf"(\w+): message-id=<{identity}@", one.text))
        }
        ends = [
            (one, match) for one in self._logged
            if (match := re.match(r"(\w+): to=<([^>]*)>.* status=(\w+)", one.text)) and match[1] in queues
        ]  # fmt: skip
        if not ends:
            return {}
        senders = {
            m[2] for one in self._logged if (m := re.match(r"(\w+): from=<([^>]*)>", one.text)) and m[1] in queues
        }
        arrived = [one for one in self._report["received"] if any(f"<{identity}@" in line for line in one["header"])]
        near = {match[2] for one, match in ends if not arrived or one.program not in {"smtp", "lmtp"}}
        return {
            "status": {match[3] for _, match in ends},
            "transport": {self._transport(one) for one, _ in ends},
            "nexthop": set(self._report["routes"].get(identity, ())),
            "sender": {one["sender"] for one in arrived} or senders,
            "recipient": near | {address for one in arrived for address in one["recipients"]},
            "source": {one["source"] for one in arrived if one.get("source")},
            "helo": {one["helo"] for one in arrived},
        }

    def _transport(self, one: LogLine) -> str:
        service = self._tags.get(one.tag.partition("/")[0])
        return service.name if service else one.program

    # ---- where it comes from -----------------------------------------------------------------------------------------

    def _traced(
        self, rule: str, text: str, subject: str, service: Service | None, words: str = "",
        *, severity: Severity = Severity.ERROR,
    ) -> Finding:  # fmt: skip
        where = self._origin.of(words or text, service)
        return Finding(rule=rule, where=where, text=text, subject=subject, severity=severity, lasting=False)


def _waits(one: LogLine) -> str | None:
    """The transport that mail waits for, when the line says so."""
    match = _WAITS.search(one.text)
    return match and (match[1] or match[2])


def _unnumbered(text: str) -> str:
    """Without what differs from one rehearsal to the next: queue ids, processes, ports."""
    return re.sub(r"[0-9]+", "0", re.sub(r"\b[0-9A-F]{6,}: ", "", re.sub(r"[^\s<>\"]+@[^\s<>\"]+", "x@y", text)))


def _words(finding: Finding) -> str:
    return finding.text.partition(" warns: ")[2] or finding.text


def _listed(values: set[str]) -> str:
    return ", ".join(sorted(values))


def _refused(code: str) -> str:
    return f"refused with {code.ljust(3, 'x')}" if code else "refused"
