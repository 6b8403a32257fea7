"""Which folders outside of Postfix's folder an administrator may open to commits."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.host.allowed_folders import folder, raise_if_ours


@pytest.mark.parametrize(
    "text",
    [
        "/etc/policyd", "/etc/mail", "/etc/rspamd/local.d", "/etc/postfix-policyd-spf-python", "/opt/policy",
        "/srv/ssh", "/etc/dpkgx",
    ],
)  # fmt: skip
def test_a_folder_of_a_program_may_be_allowed(text: str) -> None:
    assert folder(text) == Path(text)


@pytest.mark.parametrize(
    "text",
    ["", "/", "/etc", "/srv", "/usr/local/bin", "/var/lib/x", "etc/x", "/etc/", "/etc/x/", "/etc//x", "/etc/../x",
     "/etc/x/..", "/etc/.x", "/etc/a b", "/root/x", "/etc/x\n"],
)  # fmt: skip
def test_any_other_path_is_refused_with_one_that_is_meant(text: str) -> None:
    with pytest.raises(ValueError, match="below /etc, /opt or /srv"):
        folder(text)


@pytest.mark.parametrize(
    "text",
    [
        "/etc/cron.d", "/etc/cron.daily/x", "/etc/sudoers.d", "/etc/systemd/system", "/etc/init.d", "/etc/ssh",
        "/etc/pam.d", "/etc/profile.d", "/etc/ld.so.conf.d", "/etc/python3.11", "/etc/logrotate.d", "/etc/rc2.d",
        "/etc/udev/rules.d", "/etc/network/if-up.d", "/etc/NetworkManager", "/etc/reconciler", "/etc/postfix",
        "/opt/reconciler/bin", "/etc/default", "/etc/apt/apt.conf.d",
    ],
)  # fmt: skip
def test_a_folder_in_which_a_file_makes_root_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="would be root"):
        folder(text)


@pytest.mark.parametrize("own", ["/srv/mail", "/srv/mail/state.git", "/srv"])
def test_a_folder_with_something_of_our_own_is_refused(own: str) -> None:
    raise_if_ours([Path("/srv/mailing")], [Path("/srv/mail")])
    with pytest.raises(ValueError, match=f"because of {own}"):
        raise_if_ours([Path("/srv/other") if own != "/srv" else Path("/srv/x"), Path("/srv/mail")], [Path(own)])
