"""The ``dkim`` section: which domains are signed with which key, and how the next key replaces a key.

`section` is the feature itself; `rolling` defines the stages of a roll. Only `host/certificates` makes keys.
"""
