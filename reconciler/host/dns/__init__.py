"""The two doors to dnspython: `resolver` looks names up, `nameserver` reads and updates a zone.

Nothing here knows which records are wanted: that is `features/dns`.
"""
