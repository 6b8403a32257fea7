"""Hosts that run already, and move in."""
