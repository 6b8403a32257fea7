"""`python -m tests.load`, as root: mail without pause on a throw-away host while commits are pushed and things die.

python -m tests.load --sites 2000 --commits 50 --broken 10 --kills 10
"""

from __future__ import annotations

import argparse
import sys

from tests.e2e.hosts import missing
from tests.load.load import Load, Plan, table


def main() -> None:
    """Run, and print the figures; exit status 1 when a promise did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--commits", type=int, default=300, help="pushed one after another (%(default)s)")
    parser.add_argument("--broken", type=int, default=60, help="how many of them are broken (%(default)s)")
    parser.add_argument("--kills", type=int, default=20, help="how often the daemon is killed (%(default)s)")
    parser.add_argument("--deaths", type=int, default=5, help="how often Postfix's master is killed (%(default)s)")
    parser.add_argument("--sites", type=int, default=0, help="how many sites the host has (%(default)s)")
    parser.add_argument("--settle", default="300ms", help="daemon.settle (%(default)s)")
    parser.add_argument("--settings", default="", help="more lines of the settings file")
    options = parser.parse_args()
    if lacking := missing():
        sys.exit(f"throw-away hosts need {', '.join(lacking)}: run tests/run once, as root")
    load = Load(
        Plan(
            options.commits, options.broken, options.kills, options.deaths, options.sites,
            options.settings.replace("\\n", "\n"), options.settle,
        )
    )  # fmt: skip
    figures = load.run(say=True)
    print("\n".join(table(figures)))
    sys.exit(0 if figures.holds else 1)


if __name__ == "__main__":
    main()
