"""The tests of reconciler/passes/, one file for each of its files."""
