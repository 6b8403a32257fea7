"""Inside a throw-away host: push, and tell after how many seconds a new SMTP connection shows what was pushed.

    push_probe.py '{"clone": PATH, "banner": TEXT, "recipient": ADDRESS, "gone": ADDRESS, "floor": [SCRIPT, PATH]}'

The time begins with `git push`. What shows is a *banner*, that a *recipient* is known, or that one is *gone*. With
*floor*, that script is started when the push is over. Prints one line of JSON, with the *processor* time of all that
was started here.
"""

import json
import random
import resource
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

PATIENCE = 600.0
# A process that takes a connection while master reloads is waited for before another one is started, and itself waits
# for a second for anvil(8), which is gone. So a probe that asked all the time would measure itself.
PAUSE = 0.05


def main(asked: dict[str, Any]) -> dict[str, Any]:
    """Measure once."""
    if shows(asked):
        raise SystemExit("it shows before anything was pushed")
    ended: dict[str, float] = {}
    trouble: list[str] = []

    def push() -> None:
        for name, argv in (
            ("pushed", ["git", "-C", asked["clone"], "push", "-q", "origin", "HEAD:main"]),
            ("whole", asked.get("floor") or ["true"]),
        ):
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode:
                trouble.append(done.stderr)
                return
            ended[name] = time.monotonic() - began

    thread = threading.Thread(target=push, daemon=True)
    began = time.monotonic()
    thread.start()
    time.sleep(random.random() * PAUSE)  # else all rounds would tell the same few multiples of the pause
    while not shows(asked):
        if trouble or time.monotonic() > began + PATIENCE:
            raise SystemExit(trouble[0] if trouble else f"it does not show within {PATIENCE:g} s")
        time.sleep(PAUSE)
    shown = time.monotonic() - began
    thread.join()
    if trouble:
        raise SystemExit(trouble[0])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"shown": shown, "processor": used.ru_utime + used.ru_stime, **ended}


def shows(asked: dict[str, Any]) -> bool:
    """Whether a new connection is greeted with the banner, knows the recipient, or knows one no more.

    It is asked by VRFY, for Postfix slows down who begins a hundred messages and brings none (in_flow_delay).
    """
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", 25), 5) as connection,
        connection.makefile("rwb") as stream,
    ):
        banner = stream.readline().decode()
        if "banner" in asked:
            return str(asked["banner"]) in banner
        recipient = asked.get("recipient") or asked["gone"]
        stream.write(f"EHLO probe\r\nVRFY {recipient}\r\nQUIT\r\n".encode())
        stream.flush()
        replies = [line for line in stream.read().decode().splitlines() if line[3:4] == " "]
        code = replies[1][:3] if len(replies) > 1 else ""
        return code == "252" if "recipient" in asked else code[:1] in {"4", "5"}
    return False


print(json.dumps(main(json.loads(sys.argv[1]))))
