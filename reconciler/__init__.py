"""reconciler keeps a Postfix host equal to a git branch, and puts it back when that would break it."""

__version__ = "0.1.0"
