"""The rehearsal: the candidate runs as a real Postfix that can reach nothing; a script is written, played and judged.

`script` and `verdict` are pure. `inside/` is the program that plays the script in its own namespaces. Nothing here
changes the host.

Invariant: it knows nothing of git, of generations and of what is live; `inside/` imports nothing of the rest.
"""
