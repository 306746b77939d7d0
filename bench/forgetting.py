"""What 50,000 runs leave behind once they are forgotten: keys, and memory of every process.

All of them go through a real worker, each with a lock of its own; four of five come from a
producer, one over REST. The API runs the upkeep, and the pruner's own pass is made once more after
every step, so that all is forgotten. Then the number of keys, the server's memory and the resident
memory of the processes are read, and each process says what is allocated in it after a garbage
collection, Python's objects and the bytes of the C library: resident memory moves by whole arenas.
A child does so in one of its runs, every 250.

What is remembered for a while has to be gone by then. A lease agent forgets an ended run after
twice the grace, with the next end; so the leases are short, and each step waits for that.

The slope of the regression line over the second half tells what each run leaves. The upper end of
its 95 % interval has to be below the smallest thing that could be forgotten: a key, a field of a
hash in the server, an object or a pointer in a process; for resident memory, an entry of a
dictionary.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import idle  # it reads /proc
import measuring  # it sets the path for what follows
from slopes import Point, settled, slope_of

TASKS = "singletrack_forgetting_tasks"
LEASES = {
    "SINGLETRACK_LEASE_SECONDS": "2",
    "SINGLETRACK_RENEW_SECONDS": "0.4",
    "SINGLETRACK_FENCE_SECONDS": "0.6",
    "SINGLETRACK_MARGIN_SECONDS": "0.4",
    "SINGLETRACK_BLESSING_GRACE_SECONDS": "2.5",
}
REMEMBERED_SECONDS = 5.1
ROLES = ("main", "agent", "api")
THREADS = 2
OVER_REST = 0.2
SECONDS = 120.0

#: What a run may leave: the bar of a series, by the beginning of its name.
BARS = {
    "keys": 0.001,
    "server bytes": 8.0,
    "objects": 0.1,
    "allocated bytes": 8.0,
    "resident": 100.0,
}

HOLDINGS = measuring.ROOT / "bench" / "holdings"

Series = dict[str, list[Point]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50_000, help="(default 50,000)")
    parser.add_argument("--steps", type=int, default=40, help="samples (default 40)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    given = parser.parse_args()
    os.environ |= LEASES | {"SINGLETRACK_TTL_SECONDS_AFTER_FINISHED": "0"}
    with ExitStack() as stack:
        server = stack.enter_context(measuring.server())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        import blessing

        os.environ["BENCH_HOLDINGS"] = str(folder)
        os.environ["PYTHONPATH"] = str(HOLDINGS)
        blessing.bless()
        http = stack.enter_context(_api(folder))
        app, notes = "singletrack_worker.app:app", folder / "notes"
        stack.enter_context(measuring.worker(app, 2, notes, tasks=TASKS))
        blessing.use_packaged_app()
        step = _stepper(server, http, folder)
        series = _measure(step, given.runs // given.steps, given.steps)
        series |= _children(notes.read_text())
    return _verdict(series, given.json)


def _measure(step: Callable[[int], Mapping[str, float]], runs: int, steps: int) -> Series:
    series: Series = defaultdict(list)
    for number in range(1, steps + 1):
        sample = step(runs)
        for name, value in sample.items():
            share = OVER_REST if name.endswith("api") else 1
            series[name].append((number * runs * share, value))
        print(number, dict(sample), flush=True)
    return series


@contextmanager
def _api(folder: Path) -> Iterator[httpx2.Client]:
    """A REST API, which also runs the upkeep, and a client of it."""
    paths = [*(str(measuring.ROOT / name) for name in ("core", "api")), str(HOLDINGS)]
    own = {"SINGLETRACK_API_PORT": "0", "SINGLETRACK_INTAKE": "ledger"}
    path = {"PYTHONPATH": os.pathsep.join(paths)}
    log = folder / "api.log"
    with log.open("w") as out:
        command = [sys.executable, "-m", "singletrack_api"]
        process = subprocess.Popen(command, env=os.environ | own | path, stdout=out, stderr=out)
    try:
        _wait(lambda: "api_listening" in log.read_text())
        url = re.findall(r"api_listening.* url=(http://\S+)", log.read_text())[0]
        with httpx2.Client(base_url=url, timeout=30) as client:
            yield client
    finally:
        process.terminate()
        process.wait(20)


def _stepper(
    server: Any, http: httpx2.Client, folder: Path
) -> Callable[[int], Mapping[str, float]]:
    """Each call lets that many runs live and be forgotten, and answers what is there then."""
    client = server.client()
    by_producer, over_rest = _doors(http)

    def step(runs: int) -> Mapping[str, float]:
        before = _finished()
        posted = int(runs * OVER_REST)
        by_producer(runs - posted - 1)
        over_rest(posted)
        _wait(lambda: _finished() - before >= runs - 1)
        time.sleep(REMEMBERED_SECONDS)
        by_producer(1)
        _wait(lambda: _finished() - before >= runs)
        asyncio.run(_prune())
        _wait(lambda: not client.keys("celery-task-meta-*"))
        return {
            "keys": client.dbsize(),
            "server bytes": client.info("memory")["used_memory"],
            **{f"resident {name}": size for name, size in _residents()},
            **_holdings(folder),
        }

    _wait(lambda: client.hexists("{st}:tasks", "do_nothing"))
    return step


def _doors(http: httpx2.Client) -> tuple[Callable[[int], None], Callable[[int], None]]:
    """Submit that many runs, each with a lock of its own: as a producer, over REST."""
    sys.path.insert(0, str(HOLDINGS))
    import singletrack_forgetting_tasks as tasks

    numbers, pool = count(), ThreadPoolExecutor(THREADS)

    def by_producer(runs: int) -> None:
        for _ in range(runs):
            tasks.do_nothing.delay(number=next(numbers))

    def post(number: int) -> None:
        body = {"task": "do_nothing", "params": {"number": number}}
        http.post("/v1/namespaces/default/runs", json=body).raise_for_status()

    def over_rest(runs: int) -> None:
        list(pool.map(post, [next(numbers) for _ in range(runs)]))

    return by_producer, over_rest


async def _prune() -> None:
    """Until nothing is left: a pass ends early where the API's has just taken its batch. And what
    was counted is added up, as upkeep does every second."""
    from singletrack import operations as ops
    from singletrack.adapters.redis_ledger import AsyncRedisLedger
    from singletrack.settings import LedgerSettings
    from singletrack.upkeep.pruning import prune

    ledger = AsyncRedisLedger.from_settings(LedgerSettings())
    while await ledger.execute(ops.ListForgettable(limit=1)):
        await prune(ledger)
    await ledger.execute(ops.AddUp())
    await ledger.close()


def _finished() -> int:
    from singletrack.operations import ReadCounters

    counted = _ledger().execute(ReadCounters())
    return int(sum(n for name, n in counted.items() if name.startswith("runs_finished_total")))


@cache
def _ledger() -> Any:
    from singletrack.adapters.redis_ledger import RedisLedger
    from singletrack.settings import LedgerSettings

    return RedisLedger.from_settings(LedgerSettings())


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"the runs did not end, or were not forgotten, in {SECONDS:g} s")
        time.sleep(0.05)


def _residents() -> Iterator[tuple[str, float]]:
    """Resident bytes: producer (this process), API, the worker's main, agent and children."""
    yield "producer", _resident(os.getpid())
    mine = idle.parents()
    for started in (pid for pid, parent in mine.items() if parent == os.getpid()):
        command = idle.command_line(started)
        if "singletrack_api" in command:
            yield "api", _resident(started)
        elif "celery" in command:
            below = [pid for pid, parent in mine.items() if parent == started]
            agents = {pid for pid in below if "singletrack_worker.agent" in idle.command_line(pid)}
            yield "main", _resident(started)
            yield "agent", sum(_resident(pid) for pid in agents)
            yield "children", sum(_resident(pid) for pid in below if pid not in agents)


def _holdings(folder: Path) -> dict[str, float]:
    """What the processes say they hold, once each has been asked."""
    found: dict[str, float] = {}
    for role in ROLES:
        (folder / role).unlink(missing_ok=True)
        (folder / f"{role}.asked").touch()
    for role in ROLES:
        _wait((folder / role).exists)
        objects, allocated = (folder / role).read_text().split()
        found |= {f"objects {role}": int(objects), f"allocated bytes {role}": int(allocated)}
    return found


def _resident(pid: int) -> float:
    return float(idle.stat(pid)[21]) * os.sysconf("SC_PAGE_SIZE")


def _children(notes: str) -> Series:
    """What each child has said of itself."""
    series: Series = defaultdict(list)
    names: dict[str, int] = {}
    for line in notes.splitlines():
        pid, runs, objects, allocated = line.split()
        number = names.setdefault(pid, len(names) + 1)
        series[f"objects child {number}"].append((int(runs), int(objects)))
        series[f"allocated bytes child {number}"].append((int(runs), int(allocated)))
    return series


def _verdict(series: Series, json_file: Path | None) -> int:
    missed = 0
    for name, points in series.items():
        held, line = _judged(name, settled(points))
        missed += not held
        print(line)
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(series, indent=1))
    return 1 if missed else 0


def _judged(name: str, points: Sequence[Point]) -> tuple[bool, str]:
    most = next(bar for kind, bar in BARS.items() if name.startswith(kind))
    slope = slope_of(points)
    word = "held"
    if slope.largest > most:
        word = "MISSED" if slope.lowest > most else "NOT SHOWN, too noisy"
    values = [value for _, value in points]
    spread = f"{min(values):.0f} / {statistics.median(values):.0f} / {max(values):.0f}"
    left = f"{slope.value:+.3f} ({slope.lowest:+.3f} to {slope.largest:+.3f})"
    return word == "held", f"{name:23} {spread}, a run leaves {left}, bar {most:g}: {word}"


if __name__ == "__main__":
    raise SystemExit(main())
