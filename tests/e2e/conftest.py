"""Fresh hosts for tests, made from scratch each time; a machine that cannot make them fails the tests, loudly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import AdoptedHost
from tests.e2e.hosts import Host, missing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _able() -> None:
    """Say what is missing once and plainly, rather than in a hundred tracebacks."""
    if lacking := missing():
        pytest.fail(f"end-to-end tests need {', '.join(lacking)}: run tests/run as root", pytrace=False)


@pytest.fixture
def host() -> Iterator[Host]:
    """Return a host with Postfix running, in Debian's "Local only" configuration."""
    with Host(postfix=True) as made:
        yield made


@pytest.fixture
def bare_host() -> Iterator[Host]:
    """Return a host whose Postfix has not been started."""
    with Host() as made:
        yield made


@pytest.fixture
def systemd_host() -> Iterator[Host]:
    """Return a host that systemd runs, its Postfix not started."""
    with Host(systemd=True) as made:
        yield made


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest) -> Iterator[AdoptedHost]:
    """Return an adopted host with its daemon running, one for all tests of a module, with the module's SETTINGS."""
    with AdoptedHost(settings=getattr(request.module, "SETTINGS", "")) as made:
        yield made
