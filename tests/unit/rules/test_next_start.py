"""What a reload does not need and the next start does, as postfix-script and Debian's start script of 3.7 have it."""

from __future__ import annotations

import pytest

from reconciler.model import Facts, Place, PlaceUse
from reconciler.rules.next_start import START_SCRIPT
from tests.unit.desired_states import findings_of, only_finding
from tests.unit.host_facts import facts

RULE = "next-start"
WRAPPER = {"multi_instance_wrapper": "${command_directory}/postmulti -p --", "multi_instance_enable": "yes"}


def unusable(path: str, user: str = "postfix", use: PlaceUse = PlaceUse.FOLDER, why: str = "it is root's") -> Facts:
    return facts(places={Place(path, user, use): why})


def test_the_lock_of_the_master_must_have_a_place() -> None:
    told = only_finding(RULE, {"data_directory": "/var/opt"}, facts=unusable("/var/opt"))
    assert told.startswith("mail.yaml:")
    assert "data_directory: \"/var/opt\" can't be used: it is root's; the master could not make its lock there" in told
    assert not findings_of(RULE, {"data_directory": "/var/opt"}, facts=unusable("/var/opt", why=""))
    assert not findings_of(RULE, facts=unusable("/var/lib/postfix")), "the commit does not set it"


def test_another_owner_of_the_mail_system_needs_the_folders_that_are_there() -> None:
    owner = {"mail_owner": "vmail", "setgid_group": "postdrop"}
    told = only_finding(RULE, owner, facts=unusable("/var/lib/postfix", "vmail"))
    assert 'mail_owner: "/var/lib/postfix" can\'t be used' in told
    assert "chown -R vmail" in only_finding(RULE, owner, facts=unusable("/var/spool/postfix/deferred", "vmail"))


def test_one_cause_is_told_once() -> None:
    places = {Place("/srv/q", "", PlaceUse.PASSAGE): "/srv/q does not exist"}
    places |= {Place(f"/srv/q/{name}", "postfix", PlaceUse.FOLDER): "none" for name in ("incoming", "active")}
    told = only_finding(RULE, {"queue_directory": "/srv/q"}, facts=facts(places=places))
    assert "sendmail would fail for every user but root" in told


@pytest.mark.parametrize("data", ["$queue_directory/lib", "/srv/q/lib"])
def test_names_in_a_value_are_expanded(data: str) -> None:
    parameters = {"queue_directory": "/srv/q", "data_directory": data}
    assert "data_directory" in only_finding(RULE, parameters, facts=unusable("/srv/q/lib"))


def test_every_other_instance_must_be_there_and_have_its_wrapper() -> None:
    several = {"multi_instance_directories": "/etc/postfix-out, /etc/postfix-in"}
    gone = facts(files={"/etc/postfix-out/main.cf": False, "/etc/postfix-in/main.cf": True})
    there = facts(files={"/etc/postfix-out/main.cf": True, "/etc/postfix-in/main.cf": True})
    assert "/etc/postfix-out/main.cf does not exist" in only_finding(RULE, several | WRAPPER, facts=gone)
    enabled = {"multi_instance_enable": "yes"}
    assert "needs multi_instance_wrapper" in only_finding(RULE, several | enabled, facts=there)
    alone = {name: value for name, value in WRAPPER.items() if name not in enabled}
    assert "needs multi_instance_enable" in only_finding(RULE, several | alone, facts=there)
    assert not findings_of(RULE, several | WRAPPER | {"multi_instance_enable": "no"}, facts=there), "it is meant"
    assert not findings_of(RULE, several | WRAPPER, facts=there)
    assert not findings_of(RULE, {"multi_instance_directories": ""}, facts=gone)
    slash = {"multi_instance_directories": "/etc/postfix-out/ /etc/postfix-in//"}
    assert not findings_of(RULE, slash | WRAPPER, facts=there)


@pytest.mark.parametrize(("name", "file"), [("command_directory", "postsuper"), ("daemon_directory", "postfix-script")])
def test_the_programs_of_a_start_must_be_there(name: str, file: str) -> None:
    gone = facts(files={f"/srv/{file}": False, "/srv/postlog": False, "/srv/post-install": False})
    assert f"/srv/{file} does not exist" in only_finding(RULE, {name: "/srv"}, facts=gone)
    assert not findings_of(RULE, facts=gone)


def test_the_list_of_the_packages_files_must_be_there() -> None:
    moved = {"meta_directory": "/srv/meta"}
    assert "postfix-files does not exist" in only_finding(
        RULE, moved, facts=facts(files={"/srv/meta/postfix-files": False})
    )
    assert not findings_of(RULE, moved, facts=facts(files={"/srv/meta/postfix-files": True}))


def test_a_log_of_its_own_needs_a_folder_and_its_service() -> None:
    log = {"maillog_file": "/var/nodir/mail.log"}
    place = unusable("/var/nodir/mail.log", "root", PlaceUse.FILE, "/var/nodir does not exist")
    assert "postlogd could not write it" in only_finding(RULE, log, facts=place)
    services = {"postlog/unix-dgram": None}
    assert "missing: a start would fail" in only_finding(RULE, {"maillog_file": "/var/log/m"}, services=services)
    assert not findings_of(RULE, {"maillog_file": "/dev/stdout"}, facts=place)
    assert not findings_of(RULE, {"maillog_file": ""}, services=services)


@pytest.mark.parametrize(("origin", "refused"), [("debian.org", True), ("Ubuntu.com", True), ("a.debian.org", False)])
def test_debians_start_script_refuses_some_origins(origin: str, refused: bool) -> None:
    on_debian = facts(files={START_SCRIPT: True})
    assert bool(findings_of(RULE, {"myorigin": origin}, facts=on_debian)) is refused
    assert not findings_of(RULE, {"myorigin": origin}, facts=facts(files={START_SCRIPT: False}))


def test_debians_start_script_copies_the_users_into_a_folder_that_must_be_there() -> None:
    jailed = {"smtp/inet": {"chroot": "y"}}
    places = {Place("/srv/q/etc", "root", PlaceUse.PASSAGE): "/srv/q/etc does not exist"}
    state = {"queue_directory": "/srv/q", "local_recipient_maps": "unix:passwd.byname $alias_maps"}
    on_debian = facts(files={START_SCRIPT: True}, places=places)
    assert "systemd would not start Postfix" in only_finding(RULE, state, facts=on_debian, services=jailed)
    assert not findings_of(RULE, state, facts=on_debian)
    proxied = state | {"local_recipient_maps": "proxy:unix:passwd.byname $alias_maps"}
    assert not findings_of(RULE, proxied, facts=on_debian, services=jailed)
