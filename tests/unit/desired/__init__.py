"""The tests of reconciler/desired/, one file for each of its files."""
