"""The tests of reconciler/daemon/, one file for each of its files."""
