"""The tests of reconciler/postfix/, one file for each of its files."""
