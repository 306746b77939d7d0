"""From the end of a run to the start of the next one on the same lock.

Singletrack has two slots: the runs wait in the ledger, and the end of one hands the lock to the
next, which the other slot takes. Celery alone has one slot, which is how it runs one at a time.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import measuring  # it sets the path for what follows


def main() -> int:
    options = measuring.arguments(__doc__ or "")
    with ExitStack() as stack:
        stack.enter_context(measuring.server())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        import blessing  # these read REDIS_URL, which the server above has set
        import celery_alone
        import floor
        import singletrack_bench_tasks

        blessing.bless()
        client = stack.enter_context(floor.partner())
        peers = {
            "celery": ("celery_alone:app", 1, celery_alone.stamp_alone),
            "singletrack": ("singletrack_worker.app:app", 2, singletrack_bench_tasks.stamp_gated),
        }
        for name, (module, slots, _task) in peers.items():
            stack.enter_context(measuring.worker(module, slots, folder / name))
        blessing.use_packaged_app()
        measures = {"floor": lambda: floor.hand_over(client, options.runs)}
        for name, (_module, _slots, task) in peers.items():
            measures[name] = _gaps(task, folder / name, options.runs)
        medians = measuring.rounds(measures, options.rounds)
    bars = [
        measuring.Bar("singletrack", "floor", 10),
        measuring.Bar("singletrack", "celery", 2),
    ]
    return measuring.verdict(medians, bars, options.json)


def _gaps(task: object, stamps: Path, runs: int) -> object:
    def measure() -> list[float]:
        stamps.unlink(missing_ok=True)
        for _ in range(runs):
            task.delay()
        lines = [(float(a), float(b)) for a, b in measuring.read_stamps(stamps, runs)]
        return [after[0] - before[1] for before, after in pairwise(lines)]

    return measure


if __name__ == "__main__":
    raise SystemExit(main())
