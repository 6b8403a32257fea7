"""master.cf in pieces: together they have every service, and a line of a piece is a line of the file."""

from __future__ import annotations

import pytest

from reconciler.postfix.master_pieces import WHOLE, pieces
from reconciler.postfix.syntax import read_master, show_service

SITE = "site{0}-out  unix  -  -  n  -  -  smtp\n    -o smtp_helo_name=s{0}.example\n    -o syslog_name=postfix/s{0}\n"
HEAD = "# ours\n\nsmtp inet n - n - - smtpd\n  -o smtpd_banner=x\n"


def master(count: int) -> str:
    return HEAD + "".join(SITE.format(number) for number in range(count))


def shown(text: str) -> list[str]:
    return [show_service(service) for service in read_master(text, "master.cf")[0]]


def test_a_file_that_is_not_large_is_one_piece() -> None:
    (piece,) = pieces("", master(WHOLE - 1))
    assert (piece.text, piece.line(7)) == (master(WHOLE - 1), 7)


@pytest.mark.parametrize("count", [WHOLE, 1000])
def test_together_the_pieces_have_each_service_once(count: int) -> None:
    parts = pieces("", master(count))
    assert len(parts) > 1
    assert sorted(line for part in parts for line in shown(part.text)) == sorted(shown(master(count)))


def test_a_line_of_a_piece_is_the_same_line_of_the_file() -> None:
    whole = master(1000).split("\n")
    for part in pieces("", master(1000)):
        for number, line in enumerate(part.text.split("\n")[:-1], 1):
            assert whole[part.line(number) - 1] == line


def test_a_service_that_a_parameter_names_is_known_in_every_piece() -> None:
    parts = pieces("site5-out_destination_rate_delay = 1s\n", master(1000))
    assert all("site5-out  " in part.text or "site5-out unix" in part.text for part in parts)
    assert sum("-o smtp_helo_name=s5.example" in part.text for part in parts) == 1
    assert sum("site6-out " in part.text for part in parts) == 1


def test_one_service_more_changes_one_piece() -> None:
    before = {part.text for part in pieces("", master(1000))}
    after = {part.text for part in pieces("", HEAD + SITE.format("new") + master(1000).removeprefix(HEAD))}
    assert len(after - before) == 1


def test_the_work_of_postconf_grows_as_the_services_do() -> None:
    """It takes the square of a piece's services that have options."""
    costs = [sum(part.text.count("-out ") ** 2 for part in pieces("", master(count))) for count in (1000, 4000)]
    assert costs[1] < 6 * costs[0]


@pytest.mark.parametrize(("change", "to", "same"), [
    ("smtp_helo_name=s7.example", "smtp_helo_name=other.example", True), ("postfix/s7", "postfix/other", True),
    ("site7-out ", "renamed ", True), ("smtp_helo_name=s7.example", "smtp_helo_name=$other", False),
    ("smtp_helo_name=s7.example", "smtp_helo_nam=s7.example", False), ("site7-out ", "site6-out ", False),
    ("site7-out  unix  -", "site7-out  unix  n", False),
])  # fmt: skip
def test_pieces_have_one_form_if_names_tags_and_addresses_alone_differ(change: str, to: str, same: bool) -> None:
    text = master(1000)
    forms = [{piece.form for piece in pieces("", one)} for one in (text, text.replace(change, to, 1))]
    assert (forms[0] == forms[1]) == same
    assert len(forms[0]) == 2, "that of the head, and that of the sites"


def test_services_of_one_name_are_in_one_piece() -> None:
    again = "site7-out  unix  -  -  n  -  -  smtp -o smtp_connect_timeout=9s\n"
    parts = pieces("", master(1000) + again)
    assert [piece.text.count("site7-out ") for piece in parts if "site7-out " in piece.text] == [2]
    assert len({piece.form for piece in parts}) == 2
