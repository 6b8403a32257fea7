"""The files that a candidate names, and what stands in for those that others may not read."""

from __future__ import annotations

from dataclasses import replace

from reconciler.features.composition import compose
from reconciler.model import Table
from reconciler.postfix.scopes import Scope
from reconciler.rehearsal import named
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST
from tests.unit.rehearsals import report, report_findings, script_of

PIPE = "filter unix - n n - - pipe user=nobody argv=/usr/local/bin/filter -c /etc/filter.conf ${recipient}\n"


def scope(parameters: dict[str, str] | None = None, files: dict[str, str] | None = None) -> Scope:
    state = desired(parameters, files)
    return Scope(compose(state, HOST), HOST)


def test_every_path_in_a_value_a_service_and_an_alias_is_named() -> None:
    values = {
        "bounce_template_file": "/etc/bounce.cf",
        "smtpd_client_restrictions": "check_client_access { cidr:/etc/a, default_action=x }, permit",
        "mynetworks": "127.0.0.0/8 !/etc/nets",
        "header_checks": "pcre:$config_directory/h",
    }
    aliases = 'list: :include:/srv/list\nprog: "|/usr/bin/prog -x /srv/prog.conf"\n'
    found = named.files(scope(values, {"master.d/p.cf": PIPE, "tables/aliases": aliases}))
    expected = {
        "/etc/bounce.cf", "/etc/a", "/etc/nets", "/etc/postfix/h", "/usr/local/bin/filter", "/etc/filter.conf",
        "/srv/list", "/usr/bin/prog", "/srv/prog.conf",
    }  # fmt: skip
    assert expected <= set(found)
    assert "/8" not in found


def test_what_postfix_writes_is_not_named_but_its_folder_is_made() -> None:
    values = {
        "maillog_file": "/var/log/pf.log",
        "smtp_tls_session_cache_database": "btree:/srv/caches/smtp",
        "address_verify_map": "proxy:btree:/srv/verify/map",
        "virtual_alias_maps": "hash:/srv/v",
    }
    main = scope(values, {"master.d/p.cf": "own unix n - n - - smtpd\n  -o maillog_file=/var/log/own.log\n"})
    written = ("/var/log", "/srv/caches/smtp.", "/srv/verify/map.")
    assert not [path for path in named.files(main) if path.startswith(written)]
    assert "/srv/v.db" in named.files(main)
    assert script_of(values).play["room"]["folders_of_caches"] == ["/srv/caches", "/srv/verify"]


def test_the_types_of_tables_are_named_where_postfix_and_the_candidate_have_them() -> None:
    main = scope({"meta_directory": "/srv/meta"})
    listed = {"/srv/meta/dynamicmaps.cf", "/srv/meta/dynamicmaps.cf.d", "/etc/postfix/dynamicmaps.cf"}
    assert listed <= set(named.files(main))
    assert {"/srv/meta/dynamicmaps.cf.d", "/etc/postfix/dynamicmaps.cf.d"} <= set(named.folders(main))


def test_a_compiled_table_is_known_by_the_file_that_is_read() -> None:
    tables = named.compiled(scope({"virtual_alias_maps": "hash:/srv/v, pcre:/srv/p, proxy:lmdb:/srv/l"}))
    assert tables == {"/srv/v.db": ("hash", ".db"), "/srv/l.lmdb": ("lmdb", ".lmdb")} | {
        path: kind for path, kind in tables.items() if not path.startswith("/srv/")
    }


def test_logins_of_the_commit_have_other_passwords_for_the_same_keys() -> None:
    main = scope()
    table = Table(name="l", type="lmdb", source=b"[a.example]:587 u:hunter2\n", file="mail.yaml", mode=0o600)
    main = replace(main, merged=replace(main.merged, tables={"l": table}))
    assert named.logins(main) == {"/etc/postfix/l": "[a.example]:587 user:stand-in\n"}
    assert "hunter2" not in "".join(map(str, named.known(main, "")))


def test_a_closed_table_makes_a_failed_flow_uncertain_but_a_table_of_logins_does_not() -> None:
    values = {"virtual_alias_maps": "hash:/srv/v", "smtp_sasl_password_maps": "hash:/srv/p", "mynetworks": "/srv/n"}
    doubted = named.doubted(scope(values))
    assert {path: what for path, what in doubted.items() if path.startswith("/srv/")} == {
        "/srv/v.db": "hash:/srv/v",
        "/srv/n": "/srv/n",
    }


def test_a_warning_about_a_file_that_was_not_shown_is_none() -> None:
    script = script_of({"smtpd_tls_dh1024_param_file": "/srv/dh.pem"})
    line = "r2/smtpd[9]: warning: cannot load DH parameters from file /srv/dh.pem"
    assert report_findings(script, line) != []
    assert report_findings(script, line, closed=["/srv/dh.pem"]) == []
    assert report(closed=[])["closed"] == []


def test_the_tables_of_a_text_are_the_files_that_are_read() -> None:
    text = "a = hash:/srv/a, check_x pcre:/srv/b\n  -o c=proxy:lmdb:/srv/c tcp:/srv/d $config_directory/e foo:/srv/f\n"
    assert named.tables_in(text) == {"/srv/a.db", "/srv/b", "/srv/c.lmdb"}
