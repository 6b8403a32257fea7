"""The tests of reconciler/host/, one file for each of its files."""
