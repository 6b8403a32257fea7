"""Mail knowledge: one file for each feature, with its section's schema, its rules and its contribution.

To add a feature, write its file and add one line to FEATURES in composition.py. Nothing here performs I/O, and nothing
here raises.

Invariant: it is pure, and knows nothing of the rules over the whole configuration and of rendering.
"""
