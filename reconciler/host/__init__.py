"""The host: one file for each outside resource, and one module (`effects`) through which the host is changed.

Invariant: it knows nothing of git, of generations and of passes, and decides nothing.
"""
