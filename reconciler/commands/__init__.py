"""The command line: one file a command, and the stable JSON of the contract.

Every command except `run` works without the daemon.

Invariant: it alone parses arguments, prints and chooses exit statuses; no other folder imports it.
"""
