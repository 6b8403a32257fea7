"""Adopted hosts that run otherwise than most: reconciler as users start it, or systemd as the first process."""

from __future__ import annotations

from tests.e2e.adopted_host import AdoptedHost


class MeasuredHost(AdoptedHost):
    """An adopted host whose reconciler is started as users start it, for figures of time and memory."""

    preloaded = False


class BootedHost(AdoptedHost):
    """An adopted host that systemd runs, whose mail log is the journal."""

    systemd = True
