"""The machine: one file for each outside thing."""
