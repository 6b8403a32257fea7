"""What a change does to mail: it is treated differently, or the same is written differently, or a default."""

from __future__ import annotations

import pytest

from reconciler.model import Activation, Effect, Facts, File, Tree
from reconciler.trees.equality import by_level, with_effects
from reconciler.trees.plan import diff

DEFAULTS = {
    "append_dot_mydomain": "${{$compatibility_level} <level {1} ? {yes} : {no}}",
    "compatibility_level": "0",
    "config_directory": "/etc/postfix",
    "data_directory": "/var/lib/postfix",
    "default_destination_concurrency_limit": "20",
    "default_process_limit": "100",
    "disable_vrfy_command": "no",
    "forward_path": "$home/.forward",
    "mail_name": "Postfix",
    "maximal_queue_lifetime": "5d",
    "message_size_limit": "10240000",
    "mydestination": "$myhostname, localhost.$mydomain, localhost",
    "mydomain": "localdomain",
    "myhostname": "host.example.net",
    "mynetworks": "127.0.0.0/8",
    "mynetworks_style": "${{$compatibility_level} <level {2} ? {subnet} : {host}}",
    "myorigin": "$myhostname",
    "queue_run_delay": "300s",
    "smtpd_banner": "$myhostname ESMTP $mail_name",
    "smtpd_tls_wrappermode": "no",
    "transport_maps": "",
}
FACTS = Facts(
    host="h", version="3.7.11", parameters=DEFAULTS, map_types=frozenset(), programs=frozenset(), addresses=(),
    users=frozenset(), ports={}, listeners=(),
)  # fmt: skip
DIFFERENT, SAME, DEFAULT = Effect.DIFFERENT, Effect.SAME, Effect.DEFAULT


def tree(main: str = "", master: str = "") -> Tree:
    return {"main.cf": File.of(main.encode()), "master.cf": File.of(master.encode())}


def effects(before: Tree, after: Tree) -> list[Effect]:
    return [change.effect for change in with_effects(diff(before, after), FACTS).changes]


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        ("transport_maps = hash:/etc/postfix/t", "transport_maps = hash:$config_directory/t", SAME),
        ("transport_maps = hash:/etc/postfix/t", "transport_maps = hash:${config_directory}/t", SAME),
        ("transport_maps = hash:/etc/postfix/t", "transport_maps = lmdb:$config_directory/t", DIFFERENT),
        ("transport_maps = hash:/etc/postfix/t", "transport_maps = hash:$config_directory/u", DIFFERENT),
        ("transport_maps = hash:/a hash:/b", "transport_maps = hash:/a,hash:/b", SAME),
        ("transport_maps = hash:/a hash:/b", "transport_maps = hash:/b hash:/a", DIFFERENT),
        ("smtpd_banner = a, b", "smtpd_banner = a b", DIFFERENT),
        ("mydestination = a.test, b.test", "mydestination = a.test b.test", SAME),
        ("mydestination = $myhostname", "mydestination = host.example.net", SAME),
        ("mydestination = $mydomain", "mydestination = example.net", SAME),
        ("mydestination = $mydomain", "mydestination = localdomain", DIFFERENT),
        ("x = $home", "x = $user", DIFFERENT),
        ("forward_path = $home/a", "forward_path = $user/a", DIFFERENT),
        ("forward_path = $myhostname", "forward_path = host.example.net", DIFFERENT),
        ("x = ${home?{a}:{b}}", "x = ${user?{a}:{b}}", DIFFERENT),
        ("x = ${", "x = $(", DIFFERENT),
        ("disable_vrfy_command = Yes", "disable_vrfy_command = yes", SAME),
        ("queue_run_delay = 5m", "queue_run_delay = 300", SAME),
        ("maximal_queue_lifetime = 5", "maximal_queue_lifetime = 432000s", SAME),
        ("maximal_queue_lifetime = 5", "maximal_queue_lifetime = 5s", DIFFERENT),
        ("message_size_limit = 010240000", "message_size_limit = 10240000", SAME),
        ("", "smtpd_banner = $myhostname ESMTP $mail_name", DEFAULT),
        ("", "smtpd_banner = host.example.net ESMTP Postfix", DEFAULT),
        ("smtpd_banner = $myhostname ESMTP $mail_name", "", DEFAULT),
        ("smtpd_banner = $myhostname ESMTP", "", DIFFERENT),
        ("", "disable_vrfy_command = no", DEFAULT),
        ("", "disable_vrfy_command = yes", DIFFERENT),
        ("", "mynetworks = 127.0.0.0/8", DIFFERENT),
        ("", "transport_maps =", DEFAULT),
        ("", "compatibility_level = 0", DEFAULT),
        ("", "nobody_knows =", DIFFERENT),
    ],
)
def test_values_are_compared_as_postfix_uses_them(before: str, after: str, effect: Effect) -> None:
    assert effects(tree(f"{before}\n"), tree(f"{after}\n")) == [effect]


def test_a_value_that_stays_may_change_by_another() -> None:
    before, after = tree("myhostname = a.test\n"), tree("myhostname = b.test\nmydestination = a.test\n")

    changes = with_effects(diff(before, after), FACTS).changes
    assert [(change.what, change.effect) for change in changes] == [
        ("mydestination", DIFFERENT),
        ("myhostname", DIFFERENT),
    ]
    level = with_effects(diff(tree(), tree("compatibility_level = 3.6\nappend_dot_mydomain = no\n")), FACTS).changes
    assert [change.effect for change in level] == [DIFFERENT, DIFFERENT]
    kept = with_effects(diff(tree(), tree("compatibility_level = 3.6\nappend_dot_mydomain = yes\n")), FACTS).changes
    assert [change.effect for change in kept] == [DEFAULT, DIFFERENT]


SMTP = "smtp unix - - n - - smtp"


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        (f"{SMTP} -o smtpd_banner=a -o mail_name=b", f"{SMTP} -o mail_name=b -o smtpd_banner=a", SAME),
        (f"{SMTP} -o transport_maps=hash:/etc/postfix/t", f"{SMTP} -o transport_maps=hash:$config_directory/t", SAME),
        (f"{SMTP} -o mail_name=postfix/$service_name", f"{SMTP} -o mail_name=postfix/smtp", SAME),
        (f"{SMTP} -o mail_name=postfix/$service_name", f"{SMTP} -o mail_name=postfix/relay", DIFFERENT),
        (SMTP, f"{SMTP} -o smtpd_tls_wrappermode=no", DEFAULT),
        (f"{SMTP} -o smtpd_tls_wrappermode=no", SMTP, DEFAULT),
        (SMTP, f"{SMTP} -o smtpd_tls_wrappermode=yes", DIFFERENT),
        (SMTP, "smtp unix y y n 0 100 smtp", DEFAULT),
        (SMTP, "smtp unix y y n 0 50 smtp", DIFFERENT),
        (SMTP, "smtp unix - - y - - smtp", DIFFERENT),
        ("smtp unix - - - - - smtp", "smtp unix - - y - - smtp", DEFAULT),
        (SMTP, "smtp unix - - n - - lmtp", DIFFERENT),
        (f"{SMTP} -v", SMTP, DIFFERENT),
        (SMTP, "", DIFFERENT),
        ("", SMTP, DIFFERENT),
    ],
)
def test_services_are_compared_by_what_they_run(before: str, after: str, effect: Effect) -> None:
    assert effects(tree("a = b\n", f"{before}\n"), tree("a = b\n", f"{after}\n")) == [effect]


def test_an_option_that_main_cf_has_as_well_is_a_default() -> None:
    before = tree("smtpd_banner = a\n", f"{SMTP}\n")

    assert effects(before, tree("smtpd_banner = a\n", f"{SMTP} -o smtpd_banner=a\n")) == [DEFAULT]
    assert effects(before, tree("smtpd_banner = b\n", f"{SMTP} -o smtpd_banner=a\n")) == [DIFFERENT, DEFAULT]


def test_a_limit_of_a_transport_has_the_default_of_all_transports() -> None:
    limit = "slow_destination_concurrency_limit"
    master = "slow unix - - n - - smtp\n"

    assert effects(tree("", master), tree(f"{limit} = 20\n", master)) == [DEFAULT]
    assert effects(tree("", master), tree(f"{limit} = 1\n", master)) == [DIFFERENT]


def test_the_defaults_that_change_with_the_level_are_told() -> None:
    plan = diff(tree("mynetworks_style = subnet\n"), tree("mynetworks_style = subnet\ncompatibility_level = 3.6\n"))

    assert [(one.what, one.before, one.after) for one in by_level(plan, FACTS)] == [
        ("append_dot_mydomain", "yes", "no")
    ]
    assert [*by_level(diff(tree(), tree("mail_name = x\n")), FACTS)] == []


@pytest.mark.parametrize(
    ("before", "after", "step"),
    [
        ("data_directory = /var/lib/postfix", "", Activation.RELOAD),
        ("", "data_directory = /var/lib/postfix", Activation.RELOAD),
        ("data_directory = /srv/postfix", "", Activation.RESTART),
        ("data_directory = /var/lib/postfix\ncommand_directory = /a", "command_directory = /b", Activation.RESTART),
    ],
)
def test_a_default_that_is_left_out_needs_no_restart(before: str, after: str, step: Activation) -> None:
    assert with_effects(diff(tree(before), tree(after)), FACTS).steps == (step,)


def test_what_is_no_setting_keeps_its_effect() -> None:
    before, after = File.of(b"a 1\nb 2\n", compiled="postmap lmdb"), File.of(b"b 2\na 1\n", compiled="postmap lmdb")
    plan = diff({"t": before, **tree()}, {"t": after, **tree("mail_name = x\n")})

    assert [change.effect for change in with_effects(plan, FACTS).changes] == [DIFFERENT, SAME]
    assert with_effects(diff({"t": before}, {"t": after}), FACTS).changes[0].effect is SAME
