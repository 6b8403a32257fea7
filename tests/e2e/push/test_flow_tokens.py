"""What is asked before and after a swap takes nothing from the mail that comes next: Postfix has all its tokens."""

from __future__ import annotations

from tests.e2e.adopted_host import MAIL, STATE, UNREHEARSED, AdoptedHost

FEW = 5
LIMITED = f"{MAIL}  default_process_limit: {FEW}\n"
COUNT = """\
import fcntl, os, sys, termios
pipe = os.open(f"/proc/{sys.argv[1]}/fd/3", os.O_RDONLY | os.O_NONBLOCK)
print(int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder))
"""
"""The tokens are the bytes in a pipe that every service of Postfix has at that number (master_proto.h)."""


def tokens(adopted: AdoptedHost) -> int:
    return int(adopted.host.run("python3", "-c", COUNT, adopted.sh("pgrep -x qmgr")).stdout)


def test_questions_take_no_token_from_mail() -> None:
    with AdoptedHost(state=STATE | {"mail.yaml": LIMITED}, settle="20ms", settings=UNREHEARSED) as adopted:
        for number in range(2):
            pushed = adopted.push({"mail.yaml": f"{LIMITED}  smtpd_banner: mx1.example.com ESMTP {number}\n"})
            adopted.wait_for("Applied", pushed.oid)
            adopted.host.wait_for(lambda: tokens(adopted) == FEW, what="as many tokens as processes may run")
