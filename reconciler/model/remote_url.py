"""Read the address of a remote repository, as git writes it. Pure.

Accepted are ``ssh://[user@]host[:port]/path``, ``[user@]host:path``, ``https://[user@]host[:port]/path``,
``file:///path`` and ``/path``. Every other form is refused with what to write: some of git's own run programs, and
``http``, ``git`` and ``ftp`` protect nothing on the way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Scheme = Literal["ssh", "https", "file"]
EXPECTED = (
    'expected an address such as "ssh://git@forge.example.com/mail/state.git", "git@forge.example.com:mail/state.git" '
    'or "https://forge.example.com/mail/state.git"'
)
_USER, _HOST = r"[A-Za-z0-9_][A-Za-z0-9._+%-]*", r"(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])"
_PATH = r"[!-~]+"
_URL = re.compile(
    rf"(?P<scheme>ssh|https)://(?:(?P<user>{_USER})@)?(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?(?P<path>/{_PATH})",
    re.ASCII,
)
_SCP = re.compile(rf"(?:(?P<user>{_USER})@)?(?P<host>{_HOST}):(?P<path>(?!-){_PATH})", re.ASCII)
_FILE = re.compile(r"(?:file://)?(?P<path>/[ -~]+)", re.ASCII)
_PASSWORD = re.compile(r"[a-z]+://[^/@:]*:[^/@]*@", re.ASCII)
_UNPROTECTED = re.compile(r"(?:http|git|ftps?)://", re.ASCII)


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """The address of a remote; *text* is what git gets, *port* is empty for the scheme's own."""

    text: str
    scheme: Scheme
    path: str
    host: str = ""
    port: str = ""
    user: str = ""

    def __str__(self) -> str:
        return self.text


def read_url(text: str) -> RemoteUrl:
    """Return the address that *text* is; raise ValueError, with what to write, for any other text."""
    if _PASSWORD.match(text):
        raise ValueError("every user can read this file: write the address without a password, and see repository.key")
    if _UNPROTECTED.match(text):
        raise ValueError(f"nothing protects this connection; {EXPECTED}")
    if match := _URL.fullmatch(text):
        scheme: Scheme = "ssh" if match["scheme"] == "ssh" else "https"
        return RemoteUrl(text, scheme, match["path"], match["host"], match["port"] or "", match["user"] or "")
    if match := _FILE.fullmatch(text):
        return RemoteUrl(text, "file", match["path"])
    if "://" not in text and "::" not in text.partition("[")[0] and (match := _SCP.fullmatch(text)):
        return RemoteUrl(text, "ssh", match["path"], match["host"], "", match["user"] or "")
    raise ValueError(EXPECTED)
