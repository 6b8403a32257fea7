"""The tests of reconciler/host/programs/, one file for each of its files."""
