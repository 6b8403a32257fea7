"""The loop: what wakes it, how it sleeps, the socket that hooks and commands talk to, and the progress of a push.

It makes passes and knows nothing of what one does. Nothing here decides whether a commit is right.
"""
