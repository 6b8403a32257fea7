"""Two trees and a plan: the target is rendered, the difference to what is live is computed, and the plan is shown.

Invariant: it is pure, and knows nothing of YAML, of features, of rules and of where a tree was read from.
"""
