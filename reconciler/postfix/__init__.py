"""Postfix's own language, pure."""
