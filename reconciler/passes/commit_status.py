"""The outcome of a pass as a commit status of a forge: what to send, and where. Pure; raises nothing.

The APIs are those of GitHub (REST, version 2022-11-28), GitLab (v4) and Forgejo (v1, as Gitea has it).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from reconciler.model.ascii_text import split_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.host.settings import ForgeKind
    from reconciler.model.remote_url import RemoteUrl
    from reconciler.state.records import ConclusionLine

_MOST = 140
"""Characters of a description: GitHub takes no more."""
_STATES = {
    "Applied": "success", "Unchanged": "success", "Refused": "failure", "RolledBack": "failure", "Broken": "failure",
    "Postponed": "pending",
}  # fmt: skip
_OF_GITLAB = {"failure": "failed"}
_GITHUB = frozenset({"github.com", "ssh.github.com"})
_APIS = {"github": "v3", "gitlab": "v4", "forgejo": "v1"}


@dataclass(frozen=True, slots=True)
class Forge:
    """The forge of the repository *remote*; *api* is the address of its API, empty for the remote's own host."""

    kind: ForgeKind
    remote: RemoteUrl
    api: str = ""
    token: str = field(default="", repr=False)

    @property
    def base(self) -> str:
        """The address of its API, without a slash at the end."""
        if self.api:
            return self.api.rstrip("/")
        if self.kind == "github" and self.remote.host in _GITHUB:
            return "https://api.github.com"
        port = f":{self.remote.port}" if self.remote.port and self.remote.scheme == "https" else ""
        return f"https://{self.remote.host}{port}/api/{_APIS[self.kind]}"


class StatusRequest(NamedTuple):
    """A request to a forge: where to, and the content."""

    url: str
    headers: Mapping[str, str]
    content: Mapping[str, str]


def status_request(forge: Forge, host: str, line: ConclusionLine) -> StatusRequest | None:
    """Return the request for a conclusion on that host; None for one that says nothing about its commit."""
    oid, state = line["revision"], _STATES.get(line["outcome"])
    if not oid or not state:
        return None
    path = forge.remote.path.strip("/").removesuffix(".git")
    content = {"state": state, "context": f"reconciler/{host}", "description": _description(line)}
    if forge.kind == "gitlab":
        url = f"{forge.base}/projects/{quote(path, safe='')}/statuses/{oid}"
        return StatusRequest(url, {"PRIVATE-TOKEN": forge.token}, content | {"state": _OF_GITLAB.get(state, state)})
    url = f"{forge.base}/repos/{quote(path)}/statuses/{oid}"
    if forge.kind == "forgejo":
        return StatusRequest(url, {"Authorization": f"token {forge.token}"}, content)
    version = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    return StatusRequest(url, version | {"Authorization": f"Bearer {forge.token}"}, content)


def _description(line: ConclusionLine) -> str:
    """Return the outcome in a few words: the first error, or why, or what is live."""
    outcome, errors = line["outcome"], [one for one in line["findings"] if one["severity"] == "error"]
    if outcome == "Applied":
        told = f"live as generation {line.get('generation')}"
    elif outcome == "Unchanged":
        told = "nothing to change on this host"
    elif errors:
        more = f" (and {len(errors) - 1} more)" if errors[1:] else ""
        told = f"{outcome}: {errors[0]['file']}:{errors[0]['line']}: {errors[0]['text']}{more}"
    else:
        told = ": ".join(filter(None, (outcome, line.get("reason") or line.get("why"))))
    text = " ".join(split_lines(told))
    return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."
