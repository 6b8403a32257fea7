"""Unit tests of reconciler/rehearsal/inside: the program that plays."""
