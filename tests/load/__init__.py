"""Mail under load while commits come, daemons are killed and masters die: `python -m tests.load`."""
