"""Installation, upgrade, and the throw-away hosts themselves."""
