"""The loop: what wakes it, how it sleeps, the socket that hooks and commands talk to, and the progress of a push.

Invariant: it makes passes and knows nothing of what a pass does; it never decides whether a commit is right.
"""
