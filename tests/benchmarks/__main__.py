"""`python -m tests.benchmarks [--rounds N]`, as root: a push beside the floor, on throw-away hosts with a real Postfix.

    python -m tests.benchmarks sizes [--sites N ...] [--entries N ...] [--flows N ...] [--domains N ...] [--ahead N]
                                     [--markdown]

What users feel is the time from `git push` on, and how it grows with the host: that is what *sizes* measures.

Two hosts with the same live Postfix: on one reconciler's daemon follows the branch, on the other floor.sh is started in
the very moment the ref moves. They take turns, a commit each, so that a noisy machine is noisy for both.

The floor rebuilds a table where it is live, so that an entry shows before the script has checked and reloaded: hence
its second line. reconciler shows nothing before Postfix's own programs have accepted all of it.

Known limits: a throw-away host lies in memory, where fsync costs nothing. Both hosts share the machine's processors,
and so does the probe, which keeps asking. A pass is logged to the millisecond.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from tests.benchmarks.bench import CASES, Bench, Figures, missing
from tests.benchmarks.figures import LARGE, MEDIUM, SMALL, lines, markdown
from tests.benchmarks.sized import in_turns
from tests.benchmarks.states import Size

WAYS = {
    "floor": "floor.sh",
    "reloaded": "floor.sh, to its end",
    "checked": "reconciler, checked at the push",
    "unchecked": "reconciler, past the hook",
}
SPREAD = f"{'min':>6}{'median':>7}{'max':>7}"


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=("once", "sizes"), default="once", help="(%(default)s)")
    parser.add_argument("--sites", type=int, nargs="*", default=[10, 100, 500, 2000], help="sizes: numbers of sites")
    parser.add_argument("--flows", type=int, nargs="*", default=[10, 1000], help="sizes: numbers of flows")
    parser.add_argument("--domains", type=int, nargs="*", default=[1000], help="sizes: numbers of signed mail domains")
    parser.add_argument("--ahead", type=int, default=1000, help="sizes: commits that are pushed at once (%(default)s)")
    parser.add_argument("--markdown", action="store_true", help="sizes: print the tables of docs/performance.md")
    parser.add_argument("--rounds", type=int, default=9, help="how often each is measured (%(default)s)")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds to watch an idle daemon for (%(default)g)")
    parser.add_argument("--entries", type=int, nargs="*", help="sizes of tables")
    options = parser.parse_args()
    if lacking := missing():
        sys.exit(f"throw-away hosts need {', '.join(lacking)}: run tests/run once, as root")
    if options.what == "sizes":
        entries = [SMALL, MEDIUM, LARGE] if options.entries is None else options.entries
        kinds = (
            [Size(sites=number) for number in options.sites],
            [Size(entries=number) for number in entries],
            [Size(flows=number) for number in options.flows],
            [Size(domains=number) for number in options.domains],
        )
        measured = [one for sizes in kinds for one in in_turns(sizes, options.rounds, options.ahead)]
        print("\n".join(markdown(measured) if options.markdown else lines(measured)))
        return
    small, large = options.entries or (SMALL, MEDIUM)
    figures = Bench(options.rounds, (small, large), options.idle).run()
    print("\n".join(table(figures)))


def table(figures: Figures) -> list[str]:
    """Everything in 80 columns: seconds, then how many times the floor's in the same round."""
    lines = [
        f"From the moment the ref moved until a new SMTP connection shows it, {figures.rounds} rounds",
        "",
        f"{'':36}{'seconds':^20}  {'times the floor':^20}",
        f"{'':36}{SPREAD}  {SPREAD}",
    ]
    for case in CASES:
        lines.append(figures.titles[case])
        floor = figures.seconds[case, "floor"]
        for way, title in WAYS.items():
            taken = figures.seconds[case, way]
            ratios = [one / beside for one, beside in zip(taken, floor, strict=True)]
            lines.append(f"  {title:34}{_spread(taken, 3)}  {_spread(ratios, 2) if way != 'floor' else ''}".rstrip())
    lines += ["", f"{'Seconds that pre-receive adds':36}{SPREAD}"]
    lines += [f"  {figures.titles[case]:34}{_spread(figures.hook[case], 3)}" for case in CASES]
    lines += ["", f"{'A pass with nothing to do, in ms':36}{SPREAD}"]
    lines += [
        f"  {figures.titles[case]:34}{_spread([1000 * one for one in figures.idle_pass[case]], 0)}" for case in CASES
    ]
    lines += ["", f"{'A whole pass, in s':36}{SPREAD}"]
    lines += [f"  {f'rehearsal.mode = {mode}':34}{_spread(taken, 3)}" for mode, taken in figures.passes.items()]
    lines += ["", f"{'The daemon':36}{'MiB now':>9}{'peak':>7}{f'wake-ups in {figures.idle:g} s, idle':>28}"]
    for case in CASES:
        now, peak = figures.memory[case]
        lines.append(f"  {figures.titles[case]:34}{now:9.1f}{peak:7.1f}{figures.wakes[case]:28}")
    return lines


def _spread(values: list[float], digits: int) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{low:6.{digits}f}{middle:7.{digits}f}{high:7.{digits}f}"


if __name__ == "__main__":
    main()
