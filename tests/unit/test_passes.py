"""The small decisions around a pass, as far as they are pure; tests/e2e has the passes themselves."""

from __future__ import annotations

from reconciler.model import File, Tree
from reconciler.state.manifest import with_todays_secrets


def login(*lines: str) -> Tree:
    text = "".join(f"{line}\n" for line in lines)
    return {"sasl_passwd": File.of(text.encode(), 0o600, compiled="postmap lmdb"), "main.cf": File.of(b"a = 1\n")}


def test_going_back_keeps_the_password_of_today() -> None:
    tree = with_todays_secrets(login("[relay]:587 user:old"), login("[relay]:587 user:new"))

    assert tree["sasl_passwd"].read() == b"[relay]:587 user:new\n"
    assert (tree["sasl_passwd"].mode, tree["sasl_passwd"].compiled) == (0o600, "postmap lmdb")


def test_going_back_to_another_relay_takes_the_login_that_was_kept_with_it() -> None:
    tree = with_todays_secrets(login("[first]:587 user:old"), login("[second]:587 user:new"))

    assert tree["sasl_passwd"].read() == b"[first]:587 user:old\n"


def test_what_is_no_secret_goes_back_as_it_was() -> None:
    live = {"main.cf": File.of(b"a = 2\n")}

    assert with_todays_secrets(login("x y:z"), live)["main.cf"].read() == b"a = 1\n"
