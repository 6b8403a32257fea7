"""The git repository: commits are read with libgit2, written by git as the repository's owner, and secrets are opened.

Invariant: it knows the host and the words only, and not what a file of a commit means.
"""
