"""The loop, and what wakes it."""
