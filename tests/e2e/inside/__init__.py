"""Programs that run inside a throw-away host."""
