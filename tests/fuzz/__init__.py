"""Commits that nobody would write, made at random from what readers and rules find hard."""
