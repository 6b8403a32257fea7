"""The git repository and its secrets."""
