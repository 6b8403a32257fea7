"""The tests of reconciler/state/, one file for each of its files."""
