"""The tests of reconciler/apply/, one file for each of its files."""
