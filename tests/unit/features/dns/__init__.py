"""The tests of reconciler/features/dns/, one file for each of its files."""
