"""The tests of reconciler/commands/probe/, one file for each of its files."""
