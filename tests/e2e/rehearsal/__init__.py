"""Candidates are rehearsed in isolation, and broken ones are refused."""
