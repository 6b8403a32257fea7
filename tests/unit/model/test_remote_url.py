"""The addresses of remotes: those of the forges are read; those that run programs or protect nothing are refused."""

from __future__ import annotations

import pytest

from reconciler.model.remote_url import RemoteUrl, read_url


@pytest.mark.parametrize(
    ("text", "scheme", "user", "host", "port", "path"),
    [
        ("ssh://git@forge.example.com/mail/state.git", "ssh", "git", "forge.example.com", "", "/mail/state.git"),
        ("ssh://git@forge.example:2222/~git/state.git", "ssh", "git", "forge.example", "2222", "/~git/state.git"),
        ("ssh://[2001:db8::1]:22/state.git", "ssh", "", "[2001:db8::1]", "22", "/state.git"),
        ("git@github.com:mail/state.git", "ssh", "git", "github.com", "", "mail/state.git"),
        ("forge:state.git", "ssh", "", "forge", "", "state.git"),
        ("git@forge:/srv/state.git", "ssh", "git", "forge", "", "/srv/state.git"),
        ("git@[2001:db8::1]:state.git", "ssh", "git", "[2001:db8::1]", "", "state.git"),
        ("https://codeberg.org/mail/state.git", "https", "", "codeberg.org", "", "/mail/state.git"),
        (
            "https://gitlab+deploy-token-1@gitlab.com/a/b/state.git",
            "https",
            "gitlab+deploy-token-1",
            "gitlab.com",
            "",
            "/a/b/state.git",
        ),
        ("file:///srv/mail state.git", "file", "", "", "", "/srv/mail state.git"),
        ("/srv/mail-state.git", "file", "", "", "", "/srv/mail-state.git"),
    ],
)
def test_an_address_is_read(text: str, scheme: str, user: str, host: str, port: str, path: str) -> None:
    assert read_url(text) == RemoteUrl(text, scheme, path, host, port, user)  # type: ignore[arg-type] # a parameter
    assert str(read_url(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "ext::sh -c id",
        "fd::3",
        "-oProxyCommand=id",
        "--upload-pack=id",
        "-oProxyCommand=id:x",
        "git@-oProxyCommand=id:x",
        "ssh://-oProxyCommand=id/x",
        "ssh://git@forge.example.com",
        "srv/state.git",
        "state.git",
        "ssh://git@forge.example.com/state.git\n",
        "git@forge.example.com:a b",
        "https://forge.example.com/\x00",
        "ftp.example.com",
        "forge:-x",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected an address such as"):
        read_url(text)


@pytest.mark.parametrize("text", ["http://forge.example.com/state.git", "git://forge/state.git", "ftp://forge/x.git"])
def test_a_connection_that_anybody_can_change_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="nothing protects this connection"):
        read_url(text)


@pytest.mark.parametrize("text", ["https://ada:hunter2@forge.example.com/x.git", "ssh://git:hunter2@forge/x.git"])
def test_a_password_does_not_belong_into_the_settings_and_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"repository\.key") as caught:
        read_url(text)
    assert "hunter2" not in str(caught.value)
