"""Tests against the real programs, each on a throw-away host."""
