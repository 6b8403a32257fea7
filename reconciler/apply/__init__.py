"""THE DANGEROUS FOLDER: the only code that changes what Postfix reads.

It follows the apply protocol: stage, check, place, provide, swap, activate, verify, and undo or release. It is handed
an Order, whatever the target was made from.

Invariant: it knows nothing of YAML, of features, of rules and of rendering.
"""
