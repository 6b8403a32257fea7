"""The machine: one file for each outside thing, and one door (`effects`) through which the host is changed.

Invariant: it knows nothing of git, of generations and of passes, and decides nothing.
"""
