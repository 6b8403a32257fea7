"""Trees and the plan between them: this folder renders the target, compares it with live, and shows the plan.

Invariant: it is pure, and knows nothing of YAML, of features, of rules and of where a tree was read from.
"""
