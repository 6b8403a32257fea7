"""A commit is pushed, checked, goes live and is watched."""
