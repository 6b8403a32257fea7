"""The tests of reconciler/rehearsal/, one file for each of its files."""
