"""The tests of reconciler/commands/, one file for each of its files."""
