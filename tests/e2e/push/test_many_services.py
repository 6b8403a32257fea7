"""What the real postconf says of many services in pieces is what it says of the file as a whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Host
from reconciler.host.programs import service_check

if TYPE_CHECKING:
    from pathlib import Path

MAIN = "compatibility_level = 3.6\nmyhostname = mx1.example.com\n"
SITE = """\
site{0}-out  unix  -  -  n  -  -  smtp
    -o syslog_name=postfix/site{0}-out
    -o smtp_helo_name=s{0}.example
    -o smtp_bind_address=10.0.0.1
"""
SERVICES = "smtp inet n - n - - smtpd\n" + "".join(SITE.format(number) for number in range(400))
QMGR = "qmgr unix n - n 300 1 qmgr\n    -o site7-out_destination_concurrency_limit=2\n"
CASES = {
    "nothing": (MAIN, SERVICES + QMGR),
    "settings of main.cf that nothing uses": (
        MAIN + "nonsense = 1\nsite500-out_destination_rate_delay = 1s\n",
        SERVICES,
    ),
    "settings that one service uses": (
        MAIN + "own_helo = a.example\nsite5-out_destination_rate_delay = 1s\n",
        SERVICES.replace("smtp_helo_name=s399.example", "smtp_helo_name=$own_helo") + QMGR,
    ),
    "an option that nothing knows": (MAIN, SERVICES.replace("smtp_helo_name=s7.example", "smtp_heloo_name=x")),
    "an undefined name": (MAIN, SERVICES.replace("smtp_helo_name=s7.example", "smtp_helo_name=$nowhere")),
    "a line with a field too few": (MAIN, SERVICES + "broken unix - - n - smtp\n"),
    "a bad type": (MAIN, SERVICES.replace("site7-out  unix", "site7-out  unixx")),
    "a definition of a table that sets what nothing uses": (
        MAIN + "virtual_alias_maps = proxy:sqlite:$config_directory/people\n", SERVICES,
    ),
    "a definition that a service names": (
        MAIN, SERVICES.replace("smtp_helo_name=s7.example", "smtp_generic_maps=sqlite:${config_directory}/sql/people"),
    ),
    "a definition that is missing": (MAIN + "virtual_alias_maps = sqlite:$config_directory/nowhere\n", SERVICES),
    "a bad setting": (MAIN + "virtual_alias_maps = ${x\n", SERVICES),
    "a line that is no setting, and an option that nothing knows": (
        MAIN + "nonsense\n", SERVICES.replace("smtp_helo_name=s7.example", "smtp_heloo_name=x"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("count", ["many", "few"])
@pytest.mark.parametrize("case", CASES)
def test_what_is_said_is_what_postconf_says_of_the_whole(tmp_path: Path, case: str, count: str) -> None:
    main, master = CASES[case]
    if count == "few":
        master = master.partition("site9-out")[0] + master.rpartition("smtp_bind_address=10.0.0.1\n")[2]
    files = {"main.cf": main, "master.cf": master}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "sql").mkdir()
    for name in ("people", "sql/people"):
        (tmp_path / name).write_text("dbpath = /srv/people.sqlite\nquery = SELECT '%s'\nnonsense = 1\n")
    os.utime(tmp_path / "main.cf", (1_000_000_000, 1_000_000_000))
    host = Host()
    said = service_check.ask(host, tmp_path, files, "")
    whole = {option: host.run(("postconf", "-c", str(tmp_path), option)) for option in ("-n", "-P", "-M")}
    for option, one in zip(service_check.OPTIONS, said, strict=False):
        assert sorted({*one.stderr.splitlines()}) == sorted({*whole[option].stderr.splitlines()}), option
        assert bool(one.status) == bool(whole[option].status)
    lines = {line for one in said for line in one.stderr.splitlines()}
    for option, one in whole.items():
        assert {*one.stderr.splitlines()} <= lines, option
