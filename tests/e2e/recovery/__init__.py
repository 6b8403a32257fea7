"""Kills, errors, damage and hanging programs."""
