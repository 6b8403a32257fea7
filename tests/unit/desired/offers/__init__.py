"""The tests of reconciler/desired/offers/, one file for each of its files."""
