"""The JSON that several commands share: its keys, as scripts read them."""

from __future__ import annotations

from reconciler.commands.contract import change_line, override_line, power_line
from reconciler.desired.overrides import Override
from reconciler.model import Change, Kind, Parameter, Where
from reconciler.postfix.root_equivalent import ROOT, Power


def test_a_change_has_the_keys_of_the_contract() -> None:
    change = Change(kind=Kind.ENTRY, what="a", before=None, after="b", within="transport", where=Where("mail.yaml", 2))

    assert change_line(change) == {
        "kind": "entry", "what": "a", "before": None, "after": "b", "within": "transport", "where": "mail.yaml:2:1",
        "effect": "different",
    }  # fmt: skip
    assert change_line(Change(kind=Kind.FILE, what="a", before="b", after=None))["where"] is None


def test_an_override_has_the_keys_of_the_contract() -> None:
    above = Parameter("smtp_tls_security_level", "may", Where("mail.yaml", 9, 3))
    below = Parameter("smtp_tls_security_level", "encrypt", Where("mail.yaml", 4, 2), "tls")

    assert override_line(Override(above, below)) == {
        "parameter": "smtp_tls_security_level", "where": "mail.yaml:9:3", "value": "may", "section": "tls",
        "instead_of": "encrypt", "instead_where": "mail.yaml:4:2",
    }  # fmt: skip


def test_a_right_of_another_user_has_the_keys_of_the_contract() -> None:
    power = Power(ROOT, "debugger_command", "/usr/bin/id", Where("mail.yaml", 9, 3))

    assert power_line(power) == {
        "effect": "makes its author root", "what": "debugger_command", "where": "mail.yaml:9:3", "root": True
    }  # fmt: skip
