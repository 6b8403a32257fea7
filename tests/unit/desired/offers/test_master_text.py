"""Services are taken out of master.d with the comments that explain them, and without the package's own."""

from __future__ import annotations

import pytest

from reconciler.desired.offers.master_text import is_outside_chroot, without_services
from tests.unit.desired.offers.grounds import HEAD, SHIPPED, ground, of_files
from tests.unit.host_facts import HOST

MASTER = """\
smtp inet n - n - - smtpd
# the package's own
# for a partner
slow unix - - n - - smtp
  # asked for in May
  -o syslog_name=postfix/slow
  # the package's own
  -o smtp_helo_name=a.example
# the last
qmgr unix n - n 300 1 qmgr
"""
SHIPPED_LINE = "# the package's own"


def test_comments_above_a_service_and_inside_it_are_kept() -> None:
    before = ground(f"{HEAD}  biff: no\n", MASTER.replace(SHIPPED_LINE, min(SHIPPED, key=len)))

    taken = without_services(before, [one for one in before.desired.services if one.name in {"slow", "qmgr"}])

    assert taken.comments == {
        "slow/unix": ("# for a partner", "# asked for in May"),
        "qmgr/unix": ("# the last",),
    }
    assert taken.files == {"master.d/host.cf": f"smtp inet n - n - - smtpd\n{min(SHIPPED, key=len)}\n".encode()}


def test_a_comment_in_latin_1_is_kept_as_utf_8() -> None:
    files = {"mail.yaml": b"base: none\n", "master.d/host.cf": b"# f\xfcr \x01\nslow unix - - n - - smtp\n# \xfc\n"}
    before = of_files(files, HOST, None)

    taken = without_services(before, before.desired.services)

    assert taken.comments == {"slow/unix": ("# f\u00fcr ?",)}
    assert taken.files == {"master.d/host.cf": b"# \xfc\n"}


@pytest.mark.parametrize(
    ("level", "chroot", "outside"), [("3.6", "-", True), ("0", "-", False), ("0", "n", True), ("3.6", "y", False)]
)
def test_a_default_chroot_is_one_below_level_1(level: str, chroot: str, outside: bool) -> None:
    before = ground(f"{HEAD}  compatibility_level: {level}\n", f"slow unix - - {chroot} - - smtp\n")

    assert is_outside_chroot(before.desired.services[0], before) is outside
