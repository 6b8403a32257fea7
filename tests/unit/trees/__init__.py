"""The tests of reconciler/trees/, one file for each of its files."""
