"""The records below the state directory: generations with manifests, companions, outer links, the journal.

Reading never changes anything.

Invariant: it knows nothing of git, of rules and of when a pass is made.
"""
