"""The ``dkim`` section: which domains are signed with which key, and how a key is replaced by the next one.

`section` is the feature itself; `rolling` says the stages of a roll. Nothing here makes a key: that is
`host/certificates`.
"""
