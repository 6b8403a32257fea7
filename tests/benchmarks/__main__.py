"""`python -m tests.benchmarks [--rounds N]`, as root: a push beside the floor, on throw-away hosts with a real Postfix.

Two hosts with the same live Postfix: on one reconciler's daemon follows the branch, on the other floor.sh is started in
the very moment the ref moves. They take turns, a commit each, so that a noisy machine is noisy for both.

Known limits: a throw-away host lies in memory, where fsync costs nothing. Both hosts share the machine's processors,
and so does the probe, which keeps asking.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from tests.benchmarks.bench import CASES, Bench, Figures, missing


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="how often each is measured (%(default)s)")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds to watch an idle daemon for (%(default)g)")
    parser.add_argument("--entries", type=int, nargs=2, default=[1_000, 100_000], help="the sizes of the two tables")
    options = parser.parse_args()
    if lacking := missing():
        sys.exit(f"throw-away hosts need {', '.join(lacking)}: run tests/run once, as root")
    figures = Bench(options.rounds, tuple(options.entries), options.idle).run()
    print("\n".join(table(figures)))


def table(figures: Figures) -> list[str]:
    """Everything in 80 columns: seconds, then how many times the floor's."""
    lines = [
        f"From the moment the ref moved until a new SMTP connection shows it ({figures.rounds} rounds)",
        "",
        f"{'':37}{'seconds':^20}  {'times the floor':^20}",
        f"{'':37}{'min':>6}{'median':>7}{'max':>7}  {'min':>6}{'median':>7}{'max':>7}",
    ]
    for case in CASES:
        floor = figures.seconds[case, "floor"]
        lines.append(figures.titles[case])
        for way, title in (("floor", "floor.sh"), ("checked", "reconciler, checked at the push"),
                           ("unchecked", "reconciler, past the hook")):  # fmt: skip
            mine = figures.seconds[case, way]
            ratios = [one / beside for one, beside in zip(mine, floor, strict=True)]
            lines.append(f"  {title:35}{_spread(mine, 3)}" + (f"  {_spread(ratios, 2)}" if way != "floor" else ""))
    lines += ["", f"{'What pre-receive adds to a git push':37}{'min':>6}{'median':>7}{'max':>7}"]
    lines += [f"  {figures.titles[case]:35}{_spread(figures.hook[case], 3)}" for case in CASES]
    lines += ["", f"{'A pass with nothing to do, in ms':37}{'min':>6}{'median':>7}{'max':>7}"]
    lines += [
        f"  {figures.titles[case]:35}{_spread([1000 * one for one in figures.idle_pass[case]], 1)}" for case in CASES
    ]
    lines += ["", f"{'The daemon in memory, MiB':37}{'now':>6}{'peak':>7}"]
    lines += [
        f"  {'after ' + figures.titles[case]:35}{now:6.0f}{peak:7.0f}" for case, (now, peak) in figures.memory.items()
    ]
    lines += ["", f"Wake-ups of the idle daemon in {figures.idle:g} s: {figures.wakes}"]
    return lines


def _spread(values: list[float], digits: int) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{low:6.{digits}f}{middle:7.{digits}f}{high:7.{digits}f}"


if __name__ == "__main__":
    main()
