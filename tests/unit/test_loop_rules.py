"""Loops: aliases that lead back to themselves, and next hops that are this very host; as real Postfix has them."""

from __future__ import annotations

import pytest

from tests.unit.states import the, told

SUBMISSION = "127.0.0.1:10025 inet n - n - - smtpd\n"


@pytest.mark.parametrize(
    ("table", "way"),
    [
        ("@a.example @b.example\n@b.example @a.example\n", "@a.example -> @b.example"),
        ("@a.example x@b.example\n@b.example y@a.example\n", "y@a.example -> x@b.example"),
        ("@a.example @b.example\nx@b.example  x@a.example\n", "x@b.example -> x@a.example"),
        ("a@v.example a@v.example, b@v.example\nc@v.example d@v.example\nd@v.example c@v.example\n", "c@v.example"),
    ],
)
def test_aliases_that_lead_back_are_refused(table: str, way: str) -> None:
    text = the("alias-loop", files={"tables/virtual": table})
    assert way in text
    assert text.startswith("tables/virtual:")


@pytest.mark.parametrize(
    "table",
    [
        "info@v.example info@v.example, b@v.example\nb@v.example info@v.example\n",
        "@a.example @a.example\n",
        "@a.example @b.example\n@b.example root@mx.test.example\n",
        "p@a.example p@b.example\np@b.example root@mx.test.example\n@b.example @a.example\n",
        "a@v.example b@v.example\nb@v.example root\n@v.example a@v.example\n",
        "a@v.example b@v.example\n",
    ],
)
def test_aliases_that_end_somewhere_are_fine(table: str) -> None:
    assert not told("alias-loop", files={"tables/virtual": table})


def test_local_aliases_loop_as_well() -> None:
    assert "would bounce" in the("alias-loop", files={"tables/aliases": "a: b\nb: a\n"})
    assert not told("alias-loop", files={"tables/aliases": "c: c, root\nroot: c\npostmaster: root\nx: |/bin/x\n"})


# ---- next hops -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {"relayhost": "[127.0.0.1]:25"},
        {"relayhost": "[localhost]"},
        {"relayhost": "[mx.test.example]:smtp"},
        {"relayhost": "[192.0.2.10]"},
        {"relayhost": "[::1]:25"},
        {"default_transport": "smtp:[127.0.0.1]"},
        {"content_filter": "smtp:[127.0.0.1]:10025"},
    ],
)
def test_a_next_hop_that_is_this_host_is_refused(parameters: dict[str, str]) -> None:
    (finding,) = told("loops-to-self", parameters, {"master.d/x.cf": SUBMISSION})
    assert finding.is_error
    assert finding.lasting == ("192.0.2.10" not in str(parameters))


@pytest.mark.parametrize(
    "parameters",
    [
        {"relayhost": "[127.0.0.1]:2525"},
        {"relayhost": "[192.0.2.11]"},
        {"relayhost": "mx.test.example"},
        {"relayhost": "[127.0.0.1]", "inet_interfaces": "192.0.2.10"},
        {"relayhost": "[127.0.0.1]", "content_filter": "smtp:[127.0.0.1]:10024"},
        {"relayhost": "[192.0.2.10]", "inet_interfaces": "loopback-only"},
        {"default_transport": "error:[127.0.0.1]"},
        {"content_filter": "smtp:[127.0.0.1]:10024"},
    ],
)
def test_a_next_hop_elsewhere_is_fine(parameters: dict[str, str]) -> None:
    assert not told("loops-to-self", parameters, {"master.d/x.cf": SUBMISSION})


def test_what_comes_back_from_a_filter_is_not_filtered_again() -> None:
    back = {"master.d/x.cf": f"{SUBMISSION}  -o content_filter=\n"}
    assert not told("loops-to-self", {"content_filter": "smtp:[127.0.0.1]:10025"}, back)
