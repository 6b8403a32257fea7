"""Try whether programs of this host can hand mail to Postfix, as sendmail(1) does, and leave no message behind.

postdrop(1) makes a file in the queue, tells its name, and removes it again when its input ends before a message. Raises
nothing: what it says on a failure is the answer.
"""

from __future__ import annotations

import pwd
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.programs import postfix
from reconciler.model.ascii_text import SPACE, split_lines
from reconciler.model.errors import CommandFailed

if TYPE_CHECKING:
    from reconciler.host.effects import Host

_SECONDS = 5.0
_NOT_FOR_ALL = "is not allowed to submit mail"


def try_postdrop(host: Host, instance: postfix.Instance) -> str | None:
    """Return why no mail can be handed in; empty if it can, None if only chosen users may."""
    program = Path(instance.values["command_directory"]) / "postdrop"
    stock = postfix.is_stock(instance.directory)
    # An ordinary user needs the setgid program and the folder's group; only root may name another configuration.
    directory = () if stock else ("-c", str(instance.directory))
    try:
        owner = _ordinary(program) if stock else None
        done = host.run((str(program), *directory, "-r"), timeout=_SECONDS, owner=owner)
    except CommandFailed as error:
        return str(error)
    except OSError as error:
        return f"{program}: {error.strerror}"
    if not done.status:
        return ""
    said = split_lines(done.stderr.strip(SPACE))
    return None if _NOT_FOR_ALL in done.stderr else (said[-1] if said else f"{program}: exit status {done.status}")


def _ordinary(program: Path) -> tuple[int, int] | None:
    """Return a user without rights, and the group that the mode of the program gives to who runs it.

    The kernel itself gives no group to what the daemon runs, because its unit has NoNewPrivileges.
    """
    about = program.stat()
    with suppress(KeyError):
        user = pwd.getpwnam("nobody")
        return user.pw_uid, about.st_gid if about.st_mode & stat.S_ISGID else user.pw_gid
    return None
