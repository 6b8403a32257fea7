"""Mail features, each proven by messages that arrived."""
