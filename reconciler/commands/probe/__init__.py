"""``reconciler probe HOST`` shows whether a server accepts mail from here, and if not, why and which setting helps.

`command` is the command, `call` is the SMTP client, and `diagnosis` interprets the replies.
"""
