"""`make faults`: every failpoint with every fault, once, on a platform of real processes.

python -m support.faults.command --only ledger.sent/start --seed 7
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from support.faults import cluster, cluster_scenarios
from support.faults.cases import PLACES, Case, chosen, every_case
from support.faults.stage import Row, play_all, set_up

from singletrack_cli.controlplane import source as sources
from singletrack_cli.controlplane.binaries import search


def main() -> int:
    """Play the cases; 1 if one of them showed anything wrong."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the order")
    parser.add_argument("--count", type=int, help="only so many (default: all)")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--keep", type=Path, help="a folder for the logs, which is kept")
    given = parser.parse_args()
    every = [
        case
        for case in every_case({**PLACES, **cluster_scenarios.PLACES})
        if given.only in str(case)
    ]
    cases = chosen(every, given.seed, given.count or len(every))
    say(f"{len(cases)} cases, seed {given.seed}")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        rows = play(cases, given.keep or Path(temporary))
    say(table(rows))
    failed = sum(bool(row.problems) for row in rows)
    say(f"{len(rows)} cases in {time.monotonic() - begun:.0f} s, {failed} failed")
    return 1 if failed else 0


def play(cases: list[Case], folder: Path) -> list[Row]:
    """Those without a cluster first, then those with one."""
    alone = [case for case in cases if case.scenario in PLACES]
    rows = []
    if alone:
        with set_up(folder / "alone") as stage:
            rows += play_all(stage, alone, say)
    if others := [case for case in cases if case not in alone]:
        programs = search(os.environ, sources.find(os.environ)).found
        if programs is None:
            sys.exit("no kube-apiserver: python -m singletrack_cli.controlplane build")
        with cluster.set_up(folder / "cluster", programs) as stage:
            rows += play_all(stage, others, say)
    return rows


def table(rows: list[Row]) -> str:
    """By scenario and fault: how many cases, how many failed, the longest silence of a lease."""
    lines = [f"{'scenario':12} {'kill9':>9} {'stop':>9} {'drop-reply':>10} {'longest silence':>16}"]
    for scenario in sorted({row.case.scenario for row in rows}):
        own = [row for row in rows if row.case.scenario == scenario]
        counts = Counter(row.case.action for row in own)
        bad = Counter(row.case.action for row in own if row.problems)
        cells = [
            f"{counts[action] - bad[action]}/{counts[action]}" if counts[action] else "-"
            for action in ("kill9", "stop", "drop-reply")
        ]
        silence = max(row.silence for row in own)
        lines.append(f"{scenario:12} {cells[0]:>9} {cells[1]:>9} {cells[2]:>10} {silence:>14.1f} s")
    return "\n".join(lines)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
