"""Tests that need neither Postfix nor a throw-away host."""
