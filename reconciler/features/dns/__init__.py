"""The ``dns`` section: which records the hosts' domains need, and what publishing them would change.

`section` is the feature itself, `records` makes the records that a domain needs, `template` renders them, `zone` reads
and judges them, `rdata` is the door to dnspython's parser, and `changes` compares two zones. Only `host/dns` asks a
name server.
"""
