"""The candidate's own programs: its master(8), started without Postfix's shell scripts, its postmap and its sendmail.

Raises OSError as the kernel gives it or when postmap fails, TimeoutExpired when it does not end.
"""

from __future__ import annotations

import os
import resource
import subprocess
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.rehearsal.inside.messages import Submitted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.rehearsal.inside.messages import Parameters

PATIENCE = 8.0
CAPABILITIES = (
    "chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "net_bind_service", "sys_chroot",
)  # fmt: skip
_ROWS = 200
_THREADS = Path("/proc/loadavg")


def start(parameters: Parameters, directory: str, processes: int) -> str:
    """Start the master with the configuration in *directory*; return nothing when it is up, else why it is not."""
    # The limit counts all processes of a user, those of the host as well, so it starts from what there is.
    threads = int(_THREADS.read_text().split(" ")[3].partition("/")[2])
    resource.setrlimit(resource.RLIMIT_NPROC, (threads + 2 * processes,) * 2)
    argv = [
        "setpriv", "--bounding-set", "-all," + ",".join(f"+{name}" for name in CAPABILITIES), "--",
        f"{parameters['daemon_directory']}/master", "-w", "-c", directory,
    ]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603 - the request is ours
            argv,
            env=_environment(directory),
            cwd=parameters["queue_directory"],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "it does not come up"
    if done.returncode == 0:
        return ""
    return done.stderr.decode(errors="replace").strip(" \n") or f"it exits with {done.returncode}"


def _environment(directory: str) -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": directory, "LANG": "C"}


def submit(directory: str, program: str, recipient: str, message: str) -> Submitted:
    """Hand a message to sendmail(1), as root does; the set-id program that it calls for others has no effect here."""
    argv = [program, "-i", recipient]
    try:
        done = subprocess.run(  # noqa: S603 - as above
            argv,
            env=_environment(directory),
            input=message.encode(),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except OSError as error:
        return Submitted(status=-1, said=str(error))
    except subprocess.TimeoutExpired:
        return Submitted(status=1, said="it does not end")
    return Submitted(status=done.returncode, said=done.stderr.decode(errors="replace").strip(" \n"))


def rows(directory: str, table: str) -> list[tuple[str, str]]:
    """Return the first rows of a table of the host, each a key and a value; none of one that can't be read."""
    argv = ["/usr/sbin/postmap", "-c", directory, "-s", table]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - as above
        lines = list(islice(process.stdout or (), _ROWS))
        process.kill()
    split = (line.decode("utf-8", "replace").rstrip("\n").partition("\t") for line in lines)
    return [(key, value) for key, _, value in split]


def compile_tables(directory: str, tables: Iterable[str]) -> None:
    """Compile tables, each ``TYPE:PATH``, with the configuration in *directory*."""
    argv = ["/usr/sbin/postmap", "-c", directory, *tables]
    done = subprocess.run(argv, capture_output=True, timeout=PATIENCE, check=False)  # noqa: S603 - as above
    if done.returncode:
        text = done.stderr.decode(errors="replace").strip(" \n")
        raise OSError(f"postmap: {text}")


def is_alive(parameters: Parameters) -> bool:
    """Whether the master still runs."""
    pid_file = Path(parameters["queue_directory"], parameters["process_id_directory"], "master.pid")
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(") ")[2][:1]
    except (OSError, ValueError):
        return False
    return state != "Z"
