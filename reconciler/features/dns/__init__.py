"""The ``dns`` section: which records the hosts' domains need, and what publishing them would change.

`section` is the feature itself, `records` says which records a domain needs, `template` writes them as a zone, `zone`
reads zones, and `changes` compares two. Nothing here asks a name server: that is `host/dns`.
"""
