"""The door to dnspython."""
