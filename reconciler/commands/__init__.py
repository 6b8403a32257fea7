"""The command line: one file a command, and the stable JSON of the contract.

Every command but `run` works without the daemon. This is the only folder that prints, parses arguments and chooses an
exit status; no other folder imports it.
"""
