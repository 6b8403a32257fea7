"""The candidate runs as a real Postfix where it can reach nothing: what to play is written, played and judged.

`script` and `verdict` are pure; `inside/` is the program that plays, alone in its namespaces. This folder knows nothing
of git, of generations, and of what is live; it changes nothing on the host.
"""
