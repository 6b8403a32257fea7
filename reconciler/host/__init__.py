"""The machine: one file for each outside thing, and one door (`effects`) through which the host is changed.

This folder knows nothing of git, of generations and of passes. It does what it is asked and decides nothing.
"""
