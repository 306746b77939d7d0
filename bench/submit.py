"""From `delay()` in a producer to the first line of the task, one at a time, two slots."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import measuring  # it sets the path for what follows


def main() -> int:
    options = measuring.arguments(__doc__ or "")
    with ExitStack() as stack:
        stack.enter_context(measuring.server())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        import blessing  # these read REDIS_URL, which the server above has set
        import celery_alone
        import singletrack_bench_tasks

        blessing.bless()
        peers = {
            "celery": ("celery_alone:app", celery_alone.stamp_alone),
            "singletrack": ("singletrack_worker.app:app", singletrack_bench_tasks.stamp_gated),
        }
        for name, (module, _task) in peers.items():
            stack.enter_context(measuring.worker(module, 2, folder / name))
        blessing.use_packaged_app()
        measures = {
            name: _latencies(task, folder / name, options.runs)
            for name, (_module, task) in peers.items()
        }
        medians = measuring.rounds(measures, options.rounds)
    return measuring.verdict(medians, [measuring.Bar("singletrack", "celery", 1.5)], options.json)


def _latencies(task: object, stamps: Path, runs: int) -> object:
    def measure() -> list[float]:
        found = []
        for _ in range(runs):
            stamps.unlink(missing_ok=True)
            sent = time.monotonic()
            task.delay()
            found.append(float(measuring.read_stamps(stamps, 1)[0][0]) - sent)
        return found

    return measure


if __name__ == "__main__":
    raise SystemExit(main())
