"""The tests of reconciler/features/dkim/, one file for each of its files."""
