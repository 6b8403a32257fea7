"""Whom a rehearsal sends mail to: recipients of the commit's tables and of the host's."""

from __future__ import annotations

from tests.unit.rehearsals import script_of


def test_tables_of_the_commit_name_recipients_of_every_kind() -> None:
    tables = {
        "tables/virtual_mailbox": "ada@v.example x\nbob@v.example x\ncyd@v.example x\n",
        "tables/relay_recipients": "@r.example OK\n",
        "tables/aliases": "list: |/bin/true\nops: root\narchive: /srv/a\nsales: root\nmore: root\n",
    }
    parameters = {"relay_domains": "r.example", "relay_recipient_maps": "table:relay_recipients"}
    play = script_of({"virtual_mailbox_domains": "w.example", **parameters}, tables).play
    assert {"ada@v.example", "bob@v.example", "somebody@r.example"} <= set(play["recipients"])
    assert "cyd@v.example" not in play["recipients"]
    # Nothing is sent to an alias: it may stand for users that come later, or for programs.
    assert play["asked"] == ["ops@mx.test.example", "sales@mx.test.example"]
    assert not {*play["asked"]} & {*play["recipients"]}


def test_a_table_of_the_host_is_listed_in_the_room() -> None:
    parameters = {
        "virtual_alias_maps": "table:virtual, proxy:hash:/etc/mail/more, ldap:/etc/postfix/l.cf, pcre:/etc/mail/p",
        "alias_maps": "lmdb:$config_directory/others, unix:x",
    }
    script = script_of(parameters)
    assert script.play["listings"] == [
        {"table": "hash:/etc/mail/more", "domain": ""},
        {"table": "lmdb:/etc/postfix/others", "domain": "mx.test.example"},
    ]
    listed = [one for one in script.listed if one.listing]
    assert [str(one.where) for one in listed] == ["mail.yaml:8:25", "mail.yaml:9:17"]
    assert script_of({"mydestination": "", "alias_maps": "hash:/etc/aliases"}).play["listings"] == []


def test_a_table_in_a_value_names_recipients_too() -> None:
    inline = {"virtual_alias_maps": "inline:{ {eve@v.example=root@mx.test.example} }"}
    assert "eve@v.example" in script_of(inline).play["recipients"]
