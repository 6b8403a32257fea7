"""The names of the lockdown: its companion and file, and in nftables its table, its set and its group of NFLOG."""

from __future__ import annotations

NAME, FILE = "nftables", "reconciler.nft"
TABLE, TRIED, GROUP = "reconciler", "tried", 2525
