"""The tests of reconciler/model/, one file for each of its files."""
