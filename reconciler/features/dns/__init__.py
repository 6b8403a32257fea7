"""The ``dns`` section: which records the hosts' domains need, and what publishing them would change.

`section` is the feature itself, `records` makes the records that a domain needs, `template` renders them, `zone` reads
zones, and `changes` compares two. Only `host/dns` asks a name server.
"""
