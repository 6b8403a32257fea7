"""A commit: read, judged, and changed; pure."""
