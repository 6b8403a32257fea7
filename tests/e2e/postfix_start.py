"""The shell command that starts Postfix in a throw-away host, with fewer programs than Debian starts.

Promises: the processes, the log and the queue are as after Debian's start. Known limit: a start without systemd of a
Postfix whose chroot is *filled* is for one instance, in Debian's places.
"""

from __future__ import annotations

from tests.e2e import chroot

# As after a quick-stop: the start then does not check and complete the installation, which starts postconf 24 times.
_UNCHECKED = """\
cd /var/spool/postfix &&
install -d -o postfix -m 700 active bounce corrupt defer deferred flush hold incoming private saved trace &&
: >quick-start"""
# What `postfix start` then does, but for six programs that ask for what is known here.
MASTER = "MAIL_CONFIG=/etc/postfix MAIL_LOGTAG=postfix /usr/lib/postfix/sbin/master -w"
_LOGGED = "rm quick-start && postlog -p info -t postfix/postfix-script starting the Postfix mail system"


def start_command(*, systemd: bool, filled: bool) -> str:
    """Return the command: through Postfix's unit under systemd, else with its chroot *filled* first."""
    if systemd:
        return f"{_UNCHECKED} && exec systemctl start postfix"
    if filled:
        return f"{_UNCHECKED} && {_LOGGED} && {MASTER}"
    return f"{chroot.FILL} && {_UNCHECKED} && exec postfix start"
