"""The files of a commit: this folder reads them, judges them and changes them.

The input is bytes. The output is Desired, findings, or the bytes of a changed file.

Invariant: it is pure, and knows nothing of git, of the host and of what is live.
"""
