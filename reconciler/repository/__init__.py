"""The git repository: commits are read with libgit2, written by git as the repository's owner, and secrets are opened.

This folder knows the host and the words only. It does not know what a file of a commit means.
"""
