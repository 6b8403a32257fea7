"""The tests of reconciler/features/, one file for each of its files."""
