"""The programs that reconciler manages or asks: each command as argv, and a pure parser of what it prints."""
