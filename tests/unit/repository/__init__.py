"""The tests of reconciler/repository/, one file for each of its files."""
