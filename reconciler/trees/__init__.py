"""Two trees and a plan: the target is rendered, the difference to what is live is computed, and the plan is shown.

Pure. This folder knows nothing of YAML, of features and of rules, and it does not know where a tree was read from.
"""
