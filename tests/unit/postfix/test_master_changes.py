"""Two texts of master.cf differ in the services of the parts, as they differ in all of theirs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.postfix.master_changes import differing_services
from reconciler.postfix.syntax import read_master, show_service

SERVICES = [f"site{number} unix - - n - - smtp\n  -o smtp_helo_name=s{number}.test\n" for number in range(200)]
LINES = st.sampled_from([
    "a unix - - n - - smtp\n", "b unix - - n - - smtp\n", "b inet n - n - - smtpd\n", "  -o x=y\n", "\t-o z=y\n",
    "# a comment\n", "  # another\n", "\n", "a unix - - n - - smtp -o x=y\n", "bad\n", "a\r\n", "b unix - - n - - smtp",
])  # fmt: skip
TEXTS = st.lists(LINES, max_size=9).map("".join)


def differences(old: str, new: str) -> set[tuple[str, str | None, str | None]]:
    """Return the services of two texts that differ, as they are shown."""
    was, is_ = ({one.key: show_service(one) for one in read_master(text, "")[0]} for text in (old, new))
    return {(key, was.get(key), is_.get(key)) for key in was.keys() | is_.keys() if was.get(key) != is_.get(key)}


def test_of_many_services_those_that_differ_are_left() -> None:
    old = "".join(SERVICES)
    new = old.replace("s77.test", "other.test")
    assert differing_services(old, new) == (SERVICES[77], SERVICES[77].replace("s77.test", "other.test"))
    more = "".join([*SERVICES[:50], "new unix - - n - - smtp\n", *SERVICES[50:]])
    assert all(len(part) < 200 for part in differing_services(old, more))
    assert differences(*differing_services(old, more)) == {("new/unix", None, "new unix - - n - - smtp")}
    assert all(len(part) < 200 for part in differing_services(old, old + "z unix - - n - - smtp\n"))


def test_a_service_that_is_there_twice_is_compared_with_all_of_them() -> None:
    old = "".join(SERVICES)
    new = SERVICES[7].replace("s7", "first") + old
    assert differing_services(old, new) == (old, new)


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_the_parts_differ_as_the_texts_do(before: str, old: str, new: str, after: str) -> None:
    texts = before + old + after, before + new + after
    assert differences(*differing_services(*texts)) == differences(*texts)
