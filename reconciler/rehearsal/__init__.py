"""The candidate runs as a real Postfix where it can reach nothing: what to play is written, played and judged.

`script` and `verdict` are pure. `inside/` is the program that plays, alone in its namespaces. Nothing here changes the
host.

Invariant: it knows nothing of git, of generations and of what is live; `inside/` imports nothing of the rest.
"""
