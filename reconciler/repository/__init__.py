"""The git repository: commits are read with libgit2, written by git as the repository's owner, and secrets are opened.

Invariant: it uses only the host and the model, and does not know the meaning of a commit's files.
"""
