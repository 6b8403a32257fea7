"""A commit: its files are read, judged and changed.

Bytes go in; Desired, findings, or the bytes of a changed file come out.

Invariant: it is pure, and knows nothing of git, of the host and of what is live.
"""
