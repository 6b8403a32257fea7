"""THE DANGEROUS FOLDER: the only code that changes what Postfix reads.

It follows the apply protocol: stage, check, place, provide, swap, activate, verify, and undo or release. It is handed
an Order and does not know where the target came from: it knows no YAML, no feature, no rule and no rendering.
"""
