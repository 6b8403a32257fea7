"""A commit: its files are read, judged and changed.

Pure. Bytes go in; Desired, findings, or the bytes of a changed file come out. This folder knows nothing of git, of the
host, and of what is live.
"""
