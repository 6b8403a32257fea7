"""`python -m tests.fuzz`: check many generated commits; none may take a second or end in an error."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections import Counter

from tests.fuzz.judge import timed


def main() -> None:
    """Judge, and print the figures; exit status 1 if a commit was slow or met a fault of ours."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--commits", type=int, default=100_000, help="how many (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first one (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="processor time for each (%(default)s)")
    options = parser.parse_args()
    ends: Counter[str] = Counter()
    slowest, bad = (0.0, 0), 0
    for number in range(options.first, options.first + options.commits):
        try:
            end, seconds = timed(number)
        except Exception:  # noqa: BLE001 - what is looked for
            end, seconds = "fault", 0.0
            print(f"commit {number}:\n{traceback.format_exc()}", flush=True)
        ends[end] += 1
        slowest = max(slowest, (seconds, number))
        bad += end == "fault" or seconds > options.seconds
    print(f"{options.commits} commits: {dict(ends)}; the slowest, {slowest[1]}, took {slowest[0]:.2f} s; {bad} bad")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
