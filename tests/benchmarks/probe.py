"""Inside a throw-away host: move the branch, and tell after how many seconds a new SMTP connection shows it.

    probe.py '{"repository": PATH, "oid": OID, "banner": TEXT, "recipient": ADDRESS, "floor": SCRIPT, "check": SOCKET}'

What shows is either a *banner* or that a *recipient* is known. The ref moves as git moves it: a lock file renamed. With
*floor* that script starts in the same moment; with *check* the daemon judges the commit beforehand, as pre-receive has
it do. Prints one line of JSON.
"""

import json
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

PATIENCE = 60.0
PAUSE = 0.005


def main(asked: dict[str, Any]) -> dict[str, Any]:
    """Measure once."""
    if asked.get("check"):
        judge(asked)
    if shows(asked):
        raise SystemExit("it shows before anything has moved")
    ref = Path(asked["repository"], "refs/heads/main")
    lock = ref.with_name("main.lock")
    lock.write_text(f"{asked['oid']}\n")
    began = time.monotonic()
    lock.rename(ref)
    floor = (
        subprocess.Popen([asked["floor"], asked["repository"]], stderr=subprocess.PIPE) if "floor" in asked else None
    )
    while not shows(asked):
        if time.monotonic() > began + PATIENCE:
            raise SystemExit(f"it does not show within {PATIENCE:g} s")
        time.sleep(PAUSE)
    seconds = time.monotonic() - began
    if floor:
        complaint = floor.communicate()[1].decode()
        if floor.returncode:
            raise SystemExit(f"the floor failed: {complaint}")
    return {"seconds": seconds, "whole": time.monotonic() - began}


def judge(asked: dict[str, Any]) -> None:
    """What the pre-receive hook asks."""
    request = {"do": "check", "old": asked["old"], "new": asked["oid"], "quarantine": None}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(asked["check"])
        connection.sendall(json.dumps(request).encode() + b"\n")
        *_, last = connection.makefile()
    if json.loads(last).get("done", {}).get("status") != "checked":
        raise SystemExit(f"the check refused it: {last}")


def shows(asked: dict[str, Any]) -> bool:
    """Whether a new connection is greeted with the banner, or takes mail for the recipient."""
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", 25), 5) as connection,
        connection.makefile("rwb") as stream,
    ):
        banner = stream.readline().decode()
        if "banner" in asked:
            return str(asked["banner"]) in banner
        stream.write(f"EHLO probe\r\nMAIL FROM:<>\r\nRCPT TO:<{asked['recipient']}>\r\nQUIT\r\n".encode())
        stream.flush()
        replies = [line for line in stream.read().decode().splitlines() if line[3:4] == " "]
        return len(replies) > 2 and replies[2].startswith("250 ")
    return False


print(json.dumps(main(json.loads(sys.argv[1]))))
