"""The apply protocol."""
