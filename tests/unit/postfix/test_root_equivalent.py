"""What lets the author of a commit act as another user: each entry of the list, and what only looks like one."""

from __future__ import annotations

import pytest

from reconciler.features.composition import compose
from reconciler.postfix.root_equivalent import RECIPIENT, ROOT, Power, powers, tables_with_powers
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

PIPE = {"master.d/mail.cf": "mailman unix - n n - - pipe user=vmail:vmail argv=/usr/bin/mailman ${user}\n"}


def powers_of(parameters: dict[str, str] | None = None, files: dict[str, str] | None = None) -> list[Power]:
    merged = compose(desired(parameters, files), HOST)
    entries = [power for used in tables_with_powers(merged, HOST) for power in used.powers()]
    return [*powers(merged, HOST), *entries]


def effects_of(parameters: dict[str, str] | None = None, files: dict[str, str] | None = None) -> dict[str, str]:
    return {power.what: power.effect for power in powers_of(parameters, files)}


@pytest.mark.parametrize(
    ("name", "value", "effect"),
    [
        ("debugger_command", "/usr/bin/id", ROOT),
        ("multi_instance_wrapper", "/home/eve/x", ROOT),
        ("multi_instance_directories", "/home/eve/postfix", ROOT),
        ("daemon_directory", "/home/eve", ROOT),
        ("command_directory", "/srv", ROOT),
        ("shlib_directory", "/home/eve", ROOT),
        ("meta_directory", "/home/eve", ROOT),
        ("sendmail_path", "/home/eve/sendmail", ROOT),
        ("mailq_path", "/usr/bin/sudo", ROOT),
        ("newaliases_path", "/home/eve/n", ROOT),
        ("openssl_path", "/home/eve/openssl", ROOT),
        ("maillog_file_compressor", "/home/eve/gzip", ROOT),
        ("maillog_file_prefixes", "/var, /etc", ROOT),
        ("tls_config_file", "/home/eve/openssl.cnf", ROOT),
        ("import_environment", "MAIL_CONFIG TZ LD_PRELOAD=/home/eve/x.so", ROOT),
        ("import_environment", "MAIL_CONFIG, TZ=:/home/eve/zone", ROOT),
        ("home_mailbox", ".bashrc", ROOT),
        ("home_mailbox", ".ssh/authorized_keys", ROOT),
        ("home_mailbox", "../../etc/cron.d/x", ROOT),
        ("mail_spool_directory", "/etc/profile.d", ROOT),
        ("mail_spool_directory", "/var/mail/../../etc/profile.d", ROOT),
        ("export_environment", "TZ PATH=/home/eve", RECIPIENT),
        ("mailbox_command", "/usr/bin/procmail", RECIPIENT),
        (
            "alias_maps",
            "hash:/etc/aliases, hash:/var/lib/mailman/data/aliases",
            "runs what a file outside of the commit says, with the rights of the file's owner",
        ),
        ("mailbox_command_maps", "static:/usr/bin/procmail", RECIPIENT),
        ("local_command_shell", "/home/eve/sh", RECIPIENT),
        ("command_expansion_filter", "abc|;$", RECIPIENT),
        ("forward_path", "/srv/forward/$user", RECIPIENT),
        ("allow_mail_to_commands", "alias, forward, include", RECIPIENT),
        ("allow_mail_to_files", "include", RECIPIENT),
        ("alternate_config_directories", "/home/eve", "gives users of the host the rights of setgid_group"),
        ("default_privs", "vmail", "runs commands of aliases as vmail"),
        ("mail_owner", "vmail", "gives the user vmail the rights of Postfix itself"),
        ("setgid_group", "vmail", "gives the group vmail access to the queue"),
        ("virtual_mailbox_base", "/home", "writes mail to files as the users of virtual_uid_maps"),
        ("virtual_uid_maps", "static:1000", "writes mail to files as the users of virtual_uid_maps"),
        ("virtual_minimum_uid", "1", "writes mail to files as the users of virtual_uid_maps"),
        ("mailbox_transport", "mailman:", "runs commands as vmail"),
        ("fallback_transport", "mailman:x", "runs commands as vmail"),
        ("mailbox_transport_maps", "inline:{eve=mailman:}", "runs commands as vmail"),
        ("fallback_transport_maps", "static:mailman", "runs commands as vmail"),
    ],
)
def test_each_setting_of_the_list_is_found(name: str, value: str, effect: str) -> None:
    assert effects_of({name: value}, PIPE)[name] == effect


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("debugger_command", ""),
        ("daemon_directory", HOST.parameters["daemon_directory"]),
        ("shlib_directory", HOST.parameters["shlib_directory"]),
        ("tls_config_file", "none"),
        ("tls_config_file", "default"),
        ("import_environment", HOST.parameters["import_environment"] + " TZ=UTC LC_ALL=C SOCKS5"),
        ("export_environment", "TZ MAIL_CONFIG LANG HOME"),
        ("home_mailbox", "Maildir/"),
        ("home_mailbox", ".Maildir/"),
        ("home_mailbox", "mail/inbox"),
        ("home_mailbox", ".mailbox"),
        ("mail_spool_directory", "/var/spool/mail/"),
        ("allow_mail_to_commands", "Alias"),
        ("allow_mail_to_files", ""),
        ("mailbox_transport", "lmtp:unix:private/dovecot-lmtp"),
        ("fallback_transport", "smtp:[192.0.2.1]"),
        ("mailbox_transport_maps", "inline:{eve=lmtp:unix:x}"),
        ("luser_relay", "|/usr/bin/touch"),
        ("alias_maps", "hash:/etc/aliases, table:virtual"),
        ("maillog_file", "/var/log/mail.log"),
        ("multi_instance_enable", "yes"),
        ("smtpd_banner", "debugger_command"),
    ],
)
def test_what_only_looks_like_one_is_not_found(name: str, value: str) -> None:
    assert name not in effects_of({name: value}, PIPE)


def test_the_text_names_the_setting_and_its_place() -> None:
    (power,) = powers_of({"debugger_command": "/usr/bin/id"})
    assert str(power).startswith("this makes its author root: debugger_command (mail.yaml:")
    assert power.is_root


def test_a_setting_is_found_as_an_option_of_a_service_and_by_a_name_that_it_refers_to() -> None:
    option = {"master.d/a.cf": "x unix - - n - - smtp -o debugger_command=/usr/bin/id\n"}
    (power,) = powers_of(files=option)
    assert (power.what, str(power.where)) == ("debugger_command of service x/unix", "master.d/a.cf:1:26")
    (power,) = powers_of({"mailbox_command": "$mine -x", "mine": "/usr/bin/a"})
    assert power.value == "/usr/bin/a -x"


@pytest.mark.parametrize(
    ("line", "what", "effect"),
    [
        ("x unix - n n - - pipe flags=R user=vmail argv=/bin/true", "service x/unix", "runs commands as vmail"),
        ("x unix - n n - - pipe {user=vmail} argv=/bin/true", "service x/unix", "runs commands as vmail"),
        ("x unix - n n - - ./pipe user=vmail:mail argv=/bin/true", "service x/unix", "runs commands as vmail"),
        ("x unix - n n - 0 spawn user=nobody argv=/bin/true", "service x/unix", "runs commands as nobody"),
        ("x unix - - n - - smtp -D", "-D of service x/unix", ROOT),
        ("x unix - - n - - smtp -vD", "-D of service x/unix", ROOT),
        ("x unix - - n - - ../../../../usr/bin/logger -f /etc/shadow",
         'the command "../../../../usr/bin/logger" of service x/unix', ROOT),
        ("x unix - - n - - master -c /home/eve", 'the command "master" of service x/unix', ROOT),
        ("x unix - - n - - post-install x", 'the command "post-install" of service x/unix', ROOT),
        ("x unix - - n - - postfix-tls-script x", 'the command "postfix-tls-script" of service x/unix', ROOT),
    ],
)  # fmt: skip
def test_each_kind_of_service_of_the_list_is_found(line: str, what: str, effect: str) -> None:
    assert effects_of(files={"master.d/a.cf": line + "\n"}).get(what) == effect


@pytest.mark.parametrize(
    "line",
    [
        "x unix - - n - - smtp -v",
        "x unix - - n - - smtp -o syslog_name=postfix/-D",
        "127.0.0.1:2525 inet n - n - - smtpd -o smtpd_banner=-D",
        "x unix - - n - - lmtp",
    ],
)
def test_other_services_are_not_found(line: str) -> None:
    assert not powers_of(files={"master.d/a.cf": line + "\n"})


def test_an_option_of_the_command_that_pipe_runs_is_not_one_of_pipe() -> None:
    found = effects_of(files={"master.d/a.cf": "x unix - n n - - pipe user=vmail argv=/bin/true -D\n"})
    assert found == {"service x/unix": "runs commands as vmail"}


@pytest.mark.parametrize(
    ("target", "effect"),
    [
        ('"|/usr/bin/vacation eve"', "runs commands as nobody"),
        ("|/usr/bin/vacation", "runs commands as nobody"),
        (r"\|/usr/bin/vacation", "runs commands as nobody"),
        (r'"\|/usr/bin/vacation"', "runs commands as nobody"),
        ("(comment)|/usr/bin/vacation", "runs commands as nobody"),
        ("group: |/usr/bin/vacation;", "runs commands as nobody"),
        ("eve@x.example;|/usr/bin/vacation", "runs commands as nobody"),
        ("eve@x.example, bob |/usr/bin/vacation", "runs commands as nobody"),
        ("eve, /var/log/archive", "writes files as nobody"),
        (":include:/etc/list", "runs what a file outside of the commit says, with the rights of the file's owner"),
        (":INCLUDE:/etc/list", "runs what a file outside of the commit says, with the rights of the file's owner"),
    ],
)
def test_an_alias_that_is_a_command_a_file_or_a_list_is_found(target: str, effect: str) -> None:
    found = powers_of(files={"tables/aliases": f"bob: eve@x.example\nroot: {target}\n"})
    assert {power.effect for power in found} >= {effect}
    assert {(power.what, str(power.where)) for power in found} == {('"root" in aliases', "tables/aliases:2:1")}


@pytest.mark.parametrize(
    "target",
    [
        "eve@x.example",
        '" |/usr/bin/x"@x.example',
        "a/b@x.example",
        "(|/usr/bin/x) eve",
        "eve|x@x.example",
        "a:b@x.example",
    ],
)
def test_an_alias_that_is_an_address_is_not_found(target: str) -> None:
    assert not powers_of(files={"tables/aliases": f"root: {target}\n"})


def test_the_entries_of_other_tables_that_local_reads_are_found() -> None:
    maps = {"mailbox_command_maps": "table:commands", "mailbox_transport_maps": "table:transports"}
    tables = {"tables/commands": "eve /usr/bin/procmail\n", "tables/transports": "eve mailman:\nbob lmtp:unix:x\n"}
    found = effects_of(maps, tables | PIPE)
    assert found['"eve" in commands'] == RECIPIENT
    assert found['"eve" in transports'] == "runs commands as vmail"
    assert '"bob" in transports' not in found
    assert effects_of({"alias_maps": "inline:{ {root = |/bin/true} }"}) == {
        '"root" in alias_maps': "runs commands as nobody"
    }


def test_an_entry_of_a_site_is_found_with_its_own_place() -> None:
    sites = {"tables/aliases": "bob: eve@x.example\n", "sites/site12/tables/aliases": 'root: "|/usr/bin/touch /x"\n'}
    (power,) = powers_of(files=sites)
    assert str(power.where) == "sites/site12/tables/aliases:1:1"


def test_a_command_in_another_table_is_only_text() -> None:
    assert not powers_of(files={"tables/virtual": "info@v.example  |/usr/bin/x\n", "tables/transport": "a /b\n"})
