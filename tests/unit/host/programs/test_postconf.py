"""What postconf prints, read as it was recorded from Postfix 3.7.11 on Debian 12."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.host.programs import postconf, postfix
from tests.unit.recorded_host import RecordedHost, transcript

if TYPE_CHECKING:
    from pathlib import Path


def test_parameters_are_read_as_printed_and_nothing_is_expanded() -> None:
    known = postconf.parse_settings(transcript("postconf-d.txt"))
    assert known["mail_version"] == "3.7.11"
    assert known["virtual_alias_domains"] == "$virtual_alias_maps"
    assert known["relayhost"] == ""
    assert len(known) == len(transcript("postconf-d.txt").splitlines())


def test_the_values_that_a_check_prints_are_not_asked_again(tmp_path: Path) -> None:
    for name, text in (("main.cf", "# of a check\n"), ("master.cf", "smtp inet n - n - - smtpd\n")):
        (tmp_path / name).write_text(text)
    printed = transcript("postconf-x.txt")
    host = RecordedHost({" -x": f"{printed}\nmynetworks = {tmp_path}/networks\n", "postmap": ""})
    postfix.check(host, tmp_path)
    asked = len(host.asked)
    (other := tmp_path / "other").mkdir()
    (other / "main.cf").write_text("# of a check\n")
    assert postfix.live(host, other).values["mynetworks"] == f"{other}/networks"
    assert len(host.asked) == asked
    (other / "main.cf").write_text("# of none\n")
    assert postfix.live(host, other).values["queue_directory"] == "/var/spool/postfix"
    assert len(host.asked) == asked + 1
