"""``reconciler probe HOST``: would that server take mail from here; if not, why, and what helps.

`command` is the command, `call` the SMTP client, `diagnosis` says what a reply means.
"""
