"""The tests: pure ones beside this file, real programs in e2e."""
