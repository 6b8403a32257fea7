"""What tests of recovery share: a host that is in order again, whatever the test before did."""

from __future__ import annotations

import pytest

from tests.e2e.adopted_host import MAIL, AdoptedHost


@pytest.fixture
def adopted(shared: AdoptedHost) -> AdoptedHost:
    """The shared host with its daemon, in the phase Steady."""
    if shared.told()["phase"]["name"] != "Steady":
        shared.reconciler("resume")
        shared.push({"mail.yaml": MAIL}, "As it was")
        shared.wait_for_phase("Steady")
    return shared
