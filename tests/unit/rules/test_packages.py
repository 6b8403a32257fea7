"""Debian packages that a state needs."""

from __future__ import annotations

from tests.unit.desired_states import findings_of, only_finding
from tests.unit.host_facts import HOST, facts

WITH_RSPAMD = facts(users=HOST.users | {"_rspamd"}, packages={"nftables": "1.0.6-2+deb12u2"})
ON = {"lockdown": True, "ports": [25], "allow_users": ["_rspamd"]}


def test_a_host_without_nftables_is_told_which_package() -> None:
    assert "apt install nftables" in only_finding("missing-package", facts=facts(packages={}), egress={"ports": [25]})
    assert not findings_of("missing-package", facts=WITH_RSPAMD, egress=ON)
