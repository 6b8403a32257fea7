"""How long a push takes beside the least that any script could; `python -m tests.benchmarks` as root."""
