"""What Postfix instances of one host need of each other."""

from __future__ import annotations

import pytest

from reconciler.model import Facts, OtherInstance
from tests.unit.desired_states import desired, findings_of, linted, only_finding
from tests.unit.host_facts import facts

DEFAULT = OtherInstance("/etc/postfix", "", "/var/spool/postfix", "/var/lib/postfix", "postfix")
OUT = OtherInstance("/etc/postfix-out", "postfix-out", "/var/spool/postfix-out", "/var/lib/postfix-out", "postfix-out")
OWN = {
    "multi_instance_name": "postfix-in",
    "multi_instance_enable": "yes",
    "queue_directory": "/var/spool/postfix-in",
    "data_directory": "/var/lib/postfix-in",
}
LISTED = {
    "multi_instance_directories": "/etc/postfix-out",
    "multi_instance_wrapper": "${command_directory}/postmulti -p --",
    "multi_instance_enable": "yes",
}
RULES = ("instance-conflict", "unlisted-instance", "disabled-instance", "one-per-host")


def second(*others: OtherInstance, **changes: object) -> Facts:
    """The facts of a host for its instance postfix-in."""
    return facts(instances=(DEFAULT, *others), is_default=False, **changes)


def told(parameters: dict[str, str], known: Facts, files: dict[str, str] | None = None) -> list[str]:
    """What these rules say of a state."""
    return [f"{one.rule}: {one.text}" for one in linted(desired(parameters, files), known) if one.rule in RULES]


def test_instances_with_places_and_names_of_their_own_are_fine() -> None:
    assert not told({}, facts())
    assert not told(OWN, second(OUT))
    assert not told(OWN, second(is_listed=False))
    assert not told(LISTED, facts(instances=(OUT,), files={"/etc/postfix-out/main.cf": True}))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"queue_directory": "/var/spool/postfix"}, "two mail systems can't share a queue"),
        ({"queue_directory": "/var/spool/postfix-out/"}, '"/var/spool/postfix-out" is that of the instance /etc/p'),
        ({"queue_directory": "/var/lib/postfix-out"}, "two mail systems can't share a queue"),
        ({"data_directory": "$queue_directory/../../lib/postfix"}, "could not make its lock there"),
        ({"multi_instance_name": "postfix-out", "syslog_name": "in"}, "would start no instance at all"),
    ],
)
def test_a_folder_or_a_name_of_another_instance_is_refused(wrong: dict[str, str], says: str) -> None:
    (found,) = [one for one in findings_of("instance-conflict", OWN | wrong, facts=second(OUT)) if one.is_error]
    assert says in str(found)
    assert str(found).startswith("mail.yaml:")


def test_the_default_of_postfix_is_the_place_of_the_default_instance() -> None:
    (found,) = findings_of("instance-conflict", {k: v for k, v in OWN.items() if k[0] != "q"}, facts=second())
    assert (found.is_error, found.lasting) == (True, False)
    assert found.text.startswith('queue_directory: "/var/spool/postfix" is that of the instance /etc/postfix')


def test_lines_in_the_log_that_look_like_another_instance_are_a_warning() -> None:
    named = OWN | {"syslog_name": "postfix"}
    (found,) = findings_of("instance-conflict", named, facts=second())
    assert not found.is_error
    assert not findings_of("instance-conflict", named | {"maillog_file": "/var/log/in.log"}, facts=second())
    theirs = "587 inet n - n - - smtpd\n  -o syslog_name=postfix/$service_name\n"
    own = theirs.replace("postfix/", "$multi_instance_name/")
    assert "write syslog_name=$multi_instance_name/$service_name" in only_finding(
        "instance-conflict", OWN, {"master.d/x.cf": theirs}, second()
    )
    assert not findings_of("instance-conflict", OWN, {"master.d/x.cf": own}, second())
    assert not findings_of("instance-conflict", {}, {"master.d/x.cf": theirs}, facts(instances=(OUT,)))


def test_what_features_add_has_the_log_name_of_the_instance() -> None:
    submission, transports = {"enabled": True, "wrapper": True}, {"slow": {"concurrency": 1}}
    assert not findings_of("instance-conflict", OWN, facts=second(), submission=submission, transports=transports)


def test_the_default_instance_must_list_what_it_starts_now() -> None:
    there = facts(instances=(OUT,), files={"/etc/postfix-out/main.cf": True})
    (found,) = findings_of("unlisted-instance", facts=there)
    assert found.is_error
    assert "leaves out /etc/postfix-out, which Postfix would no longer start with the host" in found.text
    assert not findings_of("unlisted-instance", facts=facts(instances=(OUT._replace(enabled=False),)))
    (found,) = findings_of("unlisted-instance", facts=facts(instances=(OUT._replace(listed=False),)))
    assert not found.is_error, "it does not start with the host now either"
    assert not findings_of(
        "unlisted-instance", LISTED | {"multi_instance_directories": "/etc/postfix-out/"}, facts=there
    )


def test_an_instance_that_starts_with_the_host_must_say_so() -> None:
    without = {name: value for name, value in OWN.items() if name != "multi_instance_enable"}
    assert "multi_instance_enable is missing" in only_finding("disabled-instance", without, facts=second())
    assert not findings_of("disabled-instance", OWN | {"multi_instance_enable": "no"}, facts=second()), "it is meant"
    assert not findings_of("disabled-instance", without, facts=second(is_listed=False))
    assert "reads" in only_finding("disabled-instance", OWN | {"multi_instance_enable": "$soft_bounce"}, facts=second())
    (found,) = findings_of("disabled-instance", OWN | {"multi_instance_name": ""}, facts=second())
    assert not found.is_error


def test_companions_belong_to_the_default_instance() -> None:
    egress = {"lockdown": True}
    assert "nftables exists once on a host" in only_finding("one-per-host", OWN, facts=second(), egress=egress)
    assert not findings_of("one-per-host", facts=facts(instances=(OUT,)), egress=egress)
