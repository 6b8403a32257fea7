"""Run on a throw-away host: the servers that Postfix asks, healthy and without an opinion, until this is killed.

servers.py milter PORT | policy PORT | table PORT | logins PATH
"""

from __future__ import annotations

import socketserver
import struct
import sys
from contextlib import suppress
from pathlib import Path


class _Milter(socketserver.StreamRequestHandler):
    """Wants to see nothing, and lets everything pass."""

    def handle(self) -> None:
        while len(head := self.rfile.read(4)) == 4:
            command = self.rfile.read(struct.unpack(">I", head)[0])
            if command[:1] == b"O":
                self.wfile.write(struct.pack(">IcIII", 13, b"O", 6, 0, 0x37F))
            elif command[:1] in b"EBLNHMR":
                self.wfile.write(struct.pack(">Ic", 1, b"c"))


class _Policy(socketserver.StreamRequestHandler):
    """Decides nothing."""

    def handle(self) -> None:
        for line in self.rfile:
            if line == b"\n":
                self.wfile.write(b"action=DUNNO\n\n")


class _Table(socketserver.StreamRequestHandler):
    """Holds no entry, as socketmap_table(5) has it."""

    def handle(self) -> None:
        while size := b"".join(iter(lambda: self.rfile.read(1) or b":", b":")):
            self.rfile.read(int(size) + 1)
            self.wfile.write(b"9:NOTFOUND ,")


class _Logins(socketserver.StreamRequestHandler):
    """Knows nobody, as Dovecot says it."""

    def handle(self) -> None:
        with suppress(OSError):  # whoever only looks whether it answers is gone already
            self._talk()

    def _talk(self) -> None:
        self.wfile.write(b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n")
        for line in self.rfile:
            if line.startswith(b"AUTH\t"):
                self.wfile.write(b"FAIL\t" + line.split(b"\t")[1] + b"\n")


def main(what: str, where: str) -> None:
    """Serve until the end."""
    handler = {"milter": _Milter, "policy": _Policy, "table": _Table, "logins": _Logins}[what]
    if where.isdigit():
        socketserver.ThreadingTCPServer.allow_reuse_address = True
        server: socketserver.BaseServer = socketserver.ThreadingTCPServer(("127.0.0.1", int(where)), handler)
    else:
        Path(where).unlink(missing_ok=True)
        server = socketserver.ThreadingUnixStreamServer(where, handler)
        Path(where).chmod(0o666)
    server.serve_forever()


main(*sys.argv[1:])
