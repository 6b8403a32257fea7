"""Filters that get their own mail again, and tables that are read by half."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

SCAN = "scan unix - - n - 2 smtp\n"
BACK = "127.0.0.1:10025 inet n - n - - smtpd\n"


@pytest.mark.parametrize(
    "filtered", [{"content_filter": "scan:[127.0.0.1]:10024"}, {"smtpd_proxy_filter": "127.0.0.1:10024"}]
)
def test_the_way_back_must_be_without_the_filter(filtered: dict[str, str]) -> None:
    assert "127.0.0.1:10025" in only_finding("filtered-again", filtered, {"master.d/s.cf": SCAN + BACK})
    (name,) = filtered
    assert not findings_of("filtered-again", filtered, {"master.d/s.cf": f"{SCAN}{BACK}  -o {name}=\n"})
    assert not findings_of("filtered-again", filtered, {"master.d/s.cf": SCAN})
    own = BACK.replace("10025", "587")
    assert not findings_of("filtered-again", filtered, {"master.d/s.cf": SCAN + own})


def test_a_filter_elsewhere_or_by_a_pipe_is_not_judged() -> None:
    pipe = "scan unix - n n - 2 pipe flags=Rq user=nobody argv=/bin/true\n"
    assert not findings_of("filtered-again", {"content_filter": "scan:dummy"}, {"master.d/s.cf": pipe + BACK})
    far = {"content_filter": "scan:[192.0.2.77]:10024"}
    assert not findings_of("filtered-again", far, {"master.d/s.cf": SCAN + BACK})


def test_aliases_of_a_listener_need_a_cleanup_with_them() -> None:
    option = "  -o virtual_alias_maps=inline:{a@v.example=root}\n"
    assert "cleanup_service_name" in only_finding("read-by-half", {}, {"master.d/s.cf": BACK + option})
    own = f"{BACK}{option}  -o cleanup_service_name=c2\nc2 unix n - n - 0 cleanup\n{option}"
    assert not findings_of("read-by-half", {}, {"master.d/s.cf": own})
    assert not findings_of("read-by-half", {}, {"master.d/s.cf": f"{BACK}  -o virtual_alias_maps=\n"})
