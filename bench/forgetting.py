"""What 50,000 runs leave behind once they are forgotten: keys, and memory of server and worker.

Four of five runs live in the ledger alone (submit, start, finish), one goes through a real worker;
all are forgotten by the pruner's own pass. After every step the number of keys, the server's memory
and the resident memory of the worker's processes are read. The slope of the regression line over
the second half tells what each run leaves: no key, and fewer bytes than the smallest thing that
could be forgotten there, a field of a hash in the server, an entry of a dictionary in a process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import idle  # it reads /proc
import measuring  # it sets the path for what follows

THREADS = 4
THROUGH_WORKER = 0.2
MOST_KEYS = 0.001  # for each run
MOST_BYTES_SERVER = 8.0  # for each run
MOST_BYTES_PROCESS = 100.0  # for each run through the worker
SECONDS = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50_000, help="(default 50,000)")
    parser.add_argument("--steps", type=int, default=50, help="samples (default 50)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    given = parser.parse_args()
    os.environ["SINGLETRACK_TTL_SECONDS_AFTER_FINISHED"] = "0"
    samples: list[dict[str, float]] = []
    with ExitStack() as stack:
        server = stack.enter_context(measuring.server())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        import blessing

        blessing.bless()
        stack.enter_context(measuring.worker("singletrack_worker.app:app", 2, folder / "stamps"))
        blessing.use_packaged_app()
        step = _stepper(server, given.runs // given.steps)
        for number in range(given.steps):
            samples.append(step())
            print(number + 1, samples[-1], flush=True)
    return _verdict(samples, given.runs // given.steps, given.json)


def _stepper(server: object, runs: int) -> Callable[[], dict[str, float]]:
    """Each call lets that many runs live and be forgotten, and answers what is there then."""
    import singletrack_bench_tasks

    from singletrack.adapters.redis_ledger import RedisLedger
    from singletrack.settings import LedgerSettings

    client = server.client()  # type: ignore[attr-defined]
    ledger = RedisLedger.from_settings(LedgerSettings())
    pool = ThreadPoolExecutor(THREADS)
    names = (f"run-{number}" for number in range(10**9))
    through_worker = int(runs * THROUGH_WORKER)

    def step() -> dict[str, float]:
        for _ in range(through_worker):
            singletrack_bench_tasks.stamp_gated.delay()
        mine = [next(names) for _ in range(runs - through_worker)]
        list(pool.map(lambda run_id: _live(ledger, run_id), mine))
        _wait(lambda: _finished(client) >= runs * (1 + step.calls))  # type: ignore[attr-defined]
        step.calls += 1  # type: ignore[attr-defined]
        asyncio.run(_prune())
        _wait(lambda: not client.keys("celery-task-meta-*"))
        return {
            "keys": client.dbsize(),
            "server": client.info("memory")["used_memory"],
            **dict(_residents()),
        }

    step.calls = 0  # type: ignore[attr-defined]
    return step


def _live(ledger: object, run_id: str) -> None:
    from singletrack import operations as ops
    from singletrack.lifecycle import State
    from singletrack.run import Outcome, RunSpec

    lock = f"default/{run_id}"
    spec = RunSpec(run_id=run_id, task="t", lock=lock, queue="q", envelope="text", ttl_seconds=0)
    outcome = Outcome(state=State.SUCCEEDED, result='"done"')
    for operation in (
        ops.Submit(spec=spec),
        ops.Start(run_id=run_id, nonce="n", worker="bench"),
        ops.Finish(run_id=run_id, nonce="n", outcome=outcome),
    ):
        ledger.execute(operation)  # type: ignore[attr-defined]


async def _prune() -> None:
    from singletrack.adapters.redis_ledger import AsyncRedisLedger
    from singletrack.settings import LedgerSettings
    from singletrack.upkeep.pruning import prune

    ledger = AsyncRedisLedger.from_settings(LedgerSettings())
    await prune(ledger)
    await ledger.close()


def _finished(client: object) -> int:
    counters = client.hgetall("{st}:metrics")  # type: ignore[attr-defined]
    ends = (int(n) for name, n in counters.items() if name.startswith("runs_finished_total"))
    return sum(ends)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"the runs did not end, or were not forgotten, in {SECONDS:g} s")
        time.sleep(0.05)


def _residents() -> Iterator[tuple[str, float]]:
    """Resident bytes of the worker's processes: main, its agent, its children together."""
    mine = idle.parents()
    mains = {p for p, parent in mine.items() if parent == os.getpid() and _is_worker(p)}
    for main in mains:
        yield "main", _resident(main)
        below = [pid for pid, parent in mine.items() if parent == main]
        agents = {pid for pid in below if "singletrack_worker.agent" in idle.command_line(pid)}
        yield "agent", sum(_resident(pid) for pid in agents)
        yield "children", sum(_resident(pid) for pid in below if pid not in agents)


def _is_worker(pid: int) -> bool:
    return "celery" in idle.command_line(pid)


def _resident(pid: int) -> float:
    return float(idle.stat(pid)[21]) * os.sysconf("SC_PAGE_SIZE")


def _verdict(samples: list[dict[str, float]], a_step: int, json_file: Path | None) -> int:
    half = samples[len(samples) // 2 :]
    bars = {"keys": (a_step, MOST_KEYS), "server": (a_step, MOST_BYTES_SERVER)}
    missed = 0
    for name in samples[0]:
        values = [sample[name] for sample in half]
        runs, most = bars.get(name, (a_step * THROUGH_WORKER, MOST_BYTES_PROCESS))
        slope, error = (number / runs for number in _slope(values))
        word = "MISSED" if slope > most else "NOT SHOWN, too noisy" if error > most else "held"
        missed += word != "held"
        spread = f"{min(values):.0f} / {statistics.median(values):.0f} / {max(values):.0f}"
        print(f"{name:9} {spread}, a run leaves {slope:+.2f} ± {error:.2f}, bar {most:g}: {word}")
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps({"samples": samples}, indent=1))
    return 1 if missed else 0


def _slope(values: list[float]) -> tuple[float, float]:
    """Of the regression line, with its standard error."""
    steps = range(len(values))
    line = statistics.linear_regression(steps, values)
    off = sum(
        (y - line.intercept - line.slope * x) ** 2 for x, y in zip(steps, values, strict=True)
    )
    across = sum((x - (len(values) - 1) / 2) ** 2 for x in steps)
    return line.slope, (off / (len(values) - 2) / across) ** 0.5


if __name__ == "__main__":
    raise SystemExit(main())
