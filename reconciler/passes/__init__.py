"""One pass, and what surrounds it."""
