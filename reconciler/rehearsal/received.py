"""What becomes of the mail that a rehearsal brings to the listeners: that some of it is kept, and nobody bounces.

Pure: a part of the verdict. Raises nothing.

Known limit: only the recipients that a script has sampled are tried.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from reconciler.model import Finding, Severity
from reconciler.postfix.restrictions import LISTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Service, Where
    from reconciler.postfix.locate import Origin
    from reconciler.postfix.log import LogLine
    from reconciler.rehearsal.script import Script

_GONE = re.compile(r"\A(?P<queue>\w+): (?P<what>discard|hold): (?P<why>.*)")
# Refusals of whoever it is and whatever it may be; not of a recipient who is unknown or elsewhere, nor for a while.
_NOBODY = re.compile(r"5(?!.*(?:Relay access denied|unknown|not found))|4.*Access denied", re.DOTALL | re.IGNORECASE)
_ALL = re.compile(r"\b(?:reject|defer)(?!\w)|static:", re.IGNORECASE)
_CONTENT = re.compile(r"reject(: (?:header|body) .{1,60})")
_QUEUED = re.compile(r"queued as (\w+)")
_MOST = 120
# Who takes no mail from anybody, by the words of the reply or of the log; whoever else can has a list.
_REFUSERS = (
    ("too big", "message_size_limit"), (": header", "header_checks"), (": body", "body_checks"),
    ("Client host", "smtpd_client_restrictions"), ("Helo command", "smtpd_helo_restrictions"),
    ("Sender address", "smtpd_sender_restrictions"), ("Recipient address", "smtpd_recipient_restrictions"),
)  # fmt: skip
_OF_FLOW = re.compile(r"(\w+): message-id=<flow-\d+@")
_BOUNCED = re.compile(
    r"\A(?P<queue>\w+): to=<(?P<to>[^>]*)>,(?: orig_to=<(?P<first>[^>]*)>,)?.* dsn=5\.1\.1, status=bounced"
    r" \((?P<why>.*)\)"
)


class Intake:
    """One report, seen from those who bring mail."""

    def __init__(self, script: Script, report: dict[str, Any], logged: list[LogLine], origin: Origin) -> None:
        self._script, self._report, self._logged, self._origin = script, report, logged, origin

    def kept_from_nobody(self) -> Iterator[Finding]:
        """That nobody gets a message in, on any listener: it is refused, thrown away, or put on hold for ever."""
        played = [
            (asked, told["steps"])
            for asked, told in zip(self._script.play["dialogues"], self._report["dialogues"], strict=False)
            if told["steps"] and not told["error"] and not asked["listener"]["asks_certificate"]
        ]
        fates = [self._fate_of(steps) for _, steps in played]
        if not fates or not all(fates):
            return
        asked, fate = played[0][0], fates[0]
        service = self._script.services[asked["listener"]["service"]]
        text = f"in a rehearsal no mail gets in: {service.key} on {shown(asked['listener'])} {fate}"
        logins = [one for one, _ in played if one["listener"]["sasl"]]
        unsure = any(one["listener"]["choosy"] for one, _ in played) or (
            logins and not any(one["login"] for one in logins)
        )
        severity = Severity.WARNING if unsure else Severity.ERROR
        where = self._refuser(fate, service)
        yield Finding(rule="no-mail-in", where=where, text=text, subject="no mail", severity=severity, lasting=False)

    def _fate_of(self, steps: list[list[str]]) -> str:
        """What becomes of all that a dialogue brings; empty when some of it is kept, or nothing was tried."""
        fate, recipient = "", ""
        for said, reply in steps:
            recipient = said[len("RCPT TO:<") : -1] if said.startswith("RCPT TO:") else recipient
            if said == "(message)" and reply.startswith("2"):
                fate = self._gone(reply, recipient)
                if not fate:
                    return ""
            elif _NOBODY.match(reply):
                of = next((match[1] for one in self._logged if (match := _CONTENT.search(one.text))), "")
                fate = fate or f'answers "{last_line(reply)}" to {said}{of if said == "(message)" else ""}'
        return fate

    def _gone(self, reply: str, recipient: str) -> str:
        """How a message that was taken is lost all the same: by what cleanup says of it, or smtpd of its recipient."""
        queued = _QUEUED.search(reply)
        queue = queued[1] if queued else ""
        if any(one.program in {"qmgr", "oqmgr"} and one.text.startswith(f"{queue}: from=") for one in self._logged):
            return ""
        for one in self._logged:
            match = _GONE.match(one.text)
            if match and (match["queue"] == queue or f" to=<{recipient}>" in match["why"]) and queue:
                end = "throws every message away" if match["what"] == "discard" else "puts every message on hold"
                return f'{end} ("{match["what"]}: {match["why"].partition(";")[0][:_MOST]}")'
        return ""

    def _refuser(self, fate: str, service: Service) -> Where:
        """The setting that takes no mail: the one that the words speak of, else the first list that is written."""
        settings = {one.name: one for one in (*self._script.merged.parameters.values(), *service.overrides)}
        lists = sorted(
            (name for name in LISTS if name in settings), key=lambda name: not _ALL.search(settings[name].value)
        )
        names = [name for words, name in _REFUSERS if words in fate and name in settings] + lists
        return settings[names[0]].where if names else service.where

    def known_recipients(self) -> Iterator[Finding]:
        """Whom aliases and copies lead to, and who is unknown: only told of, for users may come after the commit."""
        tests = {told["queue"] for told in self._report["flows"]}
        tests |= {match[1] for one in self._logged if (match := _OF_FLOW.match(one.text))}
        asked = {one.lower() for one in self._script.play["recipients"]}
        for one in self._logged:
            match = _BOUNCED.match(one.text)
            if not match or match["queue"] in tests or match["to"].endswith("rehearsal.example"):
                continue
            if match["first"] or match["to"].lower() not in asked:
                first = f' for "{match["first"]}"' if match["first"] else ""
                text = f'in a rehearsal mail{first} bounces: "{match["to"]}" is nobody here ({match["why"]})'
                where = self._origin.of(f'"{match["to"]}" "{match["first"]}"', None)
                yield Finding(
                    rule="nobody-there", where=where, text=text, subject=f"bounce {match['to']}", lasting=False,
                    severity=Severity.WARNING,
                )  # fmt: skip


def shown(listener: dict[str, Any]) -> str:
    """Where a listener is."""
    address = listener["address"]
    return f"[{address}]:{listener['port']}" if ":" in address else f"{address}:{listener['port']}"


def last_line(reply: str) -> str:
    """The last line of a reply."""
    return reply.splitlines()[-1] if reply else ""
