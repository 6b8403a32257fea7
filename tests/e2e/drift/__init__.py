"""Hand edits are found, put back, kept or ignored."""
