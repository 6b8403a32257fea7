"""The tests of reconciler/rules/, one file for each of its files."""
