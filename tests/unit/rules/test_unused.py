"""Classes and transports that no other setting uses are reported."""

from __future__ import annotations

from tests.unit.desired_states import VIRTUAL, findings_of


def test_a_class_that_nothing_uses_is_told_of() -> None:
    classes = {"smtpd_restriction_classes": "greylist, strict", "greylist": "reject", "strict": "greylist"}
    (finding,) = findings_of("unused-class", classes)
    assert (finding.is_error, '"strict"' in finding.text) == (False, True)
    assert not findings_of("unused-class", classes | {"smtpd_sender_restrictions": "strict"})
    table = {"tables/senders": "a@b.example strict\n"}
    assert not findings_of(
        "unused-class", classes | {"smtpd_sender_restrictions": "check_sender_access table:senders"}, table
    )


def test_a_transport_that_nothing_uses_is_told_of() -> None:
    line = {"master.d/x.cf": "scan unix - - n - - smtp\n  -o smtp_helo_name=scan.example\n"}
    (finding,) = findings_of("unused-transport", files=line)
    assert (finding.is_error, finding.where.file) == (False, "master.d/x.cf")
    for parameters, files in (
        ({"content_filter": "scan:[127.0.0.1]:10024"}, {}),
        ({"transport_maps": "ldap:/etc/people.cf"}, {}),
        ({}, {"tables/transport": "x.example scan:\n"}),
        ({"smtpd_sender_restrictions": "check_sender_access inline:{{a@b.example = FILTER scan:[::1]}}"}, {}),
    ):
        assert not findings_of("unused-transport", parameters, {"tables/virtual": VIRTUAL} | line | files)


def test_stock_services_and_servers_are_not_asked_about() -> None:
    line = {"master.d/x.cf": "policy unix - n n - 0 spawn user=nobody argv=/bin/x\n10025 inet n - n - - smtpd\n"}
    assert not findings_of("unused-transport", files=line)
    assert not findings_of("unused-transport")
    whole = {"master.d/host.cf": "relay unix - - n - - smtp\nretry unix - - n - - error\n"}
    assert not findings_of("unused-transport", files=whole, base="none")


def test_a_part_of_a_path_names_no_transport() -> None:
    line = {"master.d/x.cf": "cyrus unix - n n - - pipe user=nobody argv=/bin/cat\n"}
    (finding,) = findings_of("unused-transport", {"mailbox_transport": "lmtp:unix:/run/cyrus/socket/lmtp"}, line)
    assert '"cyrus"' in finding.text
    assert not findings_of("unused-transport", {"mailbox_transport": "cyrus"}, line)


def test_what_debian_ships_is_no_leftover() -> None:
    shipped = "scalemail-backend unix - n n - 2 pipe\n  flags=R user=nobody argv=/usr/lib/x/store ${nexthop} ${user}\n"
    assert not findings_of("unused-transport", files={"master.d/x.cf": shipped})
    assert findings_of("unused-transport", files={"master.d/x.cf": shipped.replace("scalemail", "scale")})
