"""How long it takes until things go on after a fault: with leases of 3 s, the shipped ratios.

Each number is the time from the fault to the moment when the lock is free, the message is there
again, or the last process is dead. Bars are absolute, because a promise is.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import measuring  # it sets the path for what follows
from support import local_platform as local
from support import redis_servers
from support.fault_proxy import FaultProxy
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.policies import Policy

GRACE = 1.0
BLESSING = float(local.FAST_LEASES["SINGLETRACK_BLESSING_GRACE_SECONDS"])
LOOK = 0.005
PAUSE_OF_OUTBOX = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each fault (default 5)")
    parser.add_argument("--only", default="", help="faults whose name contains this")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    given = parser.parse_args()
    found, missed = {}, 0
    for name, (measure, bar) in FAULTS.items():
        if given.only in name:
            values = [_measured(measure) for _ in range(given.rounds)]
            held = max(values) <= bar
            missed += not held
            spread = f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f} s"
            print(f"{name:34} {spread}, bar {bar:g} s: {'held' if held else 'MISSED'}", flush=True)
            found[name] = values
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))
    return 1 if missed else 0


def _measured(measure: Callable[[local.Platform], float]) -> float:
    with tempfile.TemporaryDirectory() as folder, platform(Path(folder)) as found:
        seconds = measure(found)
        found.assert_promise_held()
        return seconds


@contextmanager
def platform(folder: Path) -> Iterator[local.Platform]:
    (folder / "server").mkdir()
    with redis_servers.running(redis_servers.VALKEY, folder / "server") as server:
        found = local.Platform(server, folder)
        paths = [*(str(measuring.ROOT / name) for name in ("core", "worker", "bench"))]
        found.environment |= {
            "SINGLETRACK_TASKS": "singletrack_recovery_tasks",
            "PYTHONPATH": os.pathsep.join(paths),
        }
        try:
            found.start()
            yield found
        finally:
            found.stop()


def begun(found: local.Platform, task: str = "sleep", **worker: str) -> tuple[int, str, int]:
    """A worker and its long run: the worker's pid, the run's id, its child's pid."""
    paths = found.environment["PYTHONPATH"]
    process = found.start_worker(1, PYTHONPATH=paths, **worker)
    params = {"seconds": 600} if task == "sleep" else {}
    run_id = found.submit(task, params)
    return process.pid, run_id, found.wait_for_begin(run_id)


def until(predicate: Callable[[], object], most: float, what: str) -> float:
    """How long it takes from now on, to a few milliseconds."""
    begun_at = time.monotonic()
    while not predicate():
        if time.monotonic() - begun_at > most:
            raise SystemExit(f"waited {most} s in vain for {what}")
        time.sleep(LOOK)
    return time.monotonic() - begun_at


def until_free(found: local.Platform, run_id: str) -> float:
    lock = found.run(run_id).spec.lock
    return until(
        lambda: found.ledger.execute(ops.GetLock(lock=lock)).owner != run_id, 60, "the lock"
    )


def killed_child(found: local.Platform) -> float:
    _, run_id, child = begun(found)
    local.kill9(child)
    return until_free(found, run_id)


def killed_main(found: local.Platform) -> float:
    worker, run_id, _ = begun(found)
    local.kill9(worker)
    return until_free(found, run_id)


def frozen_worker(found: local.Platform) -> float:
    worker, run_id, child = begun(found)
    pids = [local.agent_of(worker), worker, child]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    seconds = until_free(found, run_id)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not local.alive(child), 10, "the woken child to be killed")
    return seconds


def cut_off_worker(found: local.Platform) -> float:
    with FaultProxy(found.server.port) as link:
        url = found.server.url.replace(f":{found.server.port}/", f":{link.port}/")
        _, run_id, child = begun(found, REDIS_URL=url)
        link.cut_off()
        seconds = until_free(found, run_id)
        assert not local.alive(child), "the lock moved on before the process was dead"
        link.heal()
    return seconds


def restarted_server(found: local.Platform) -> float:
    """From the moment the server serves again to the begin of a run that waited for it."""
    found.start_worker(2, PYTHONPATH=found.environment["PYTHONPATH"])
    going = found.submit("sleep", {"seconds": 8}, lock="going")
    found.wait_for_begin(going)
    found.server.kill9()
    found.server.start()
    began = time.monotonic()
    other = found.submit("sleep", {"seconds": 0.1}, lock="other")
    found.wait_for_begin(other)
    seconds = time.monotonic() - began
    assert found.wait_for_end(going, timeout=60).state is State.SUCCEEDED
    assert found.run(going).attempt == 1, "it was restarted"
    found.wait_for_end(other)
    return seconds


def lost_message(found: local.Platform) -> float:
    """Lost at any point between two looks of the outbox, which the start alone would not give."""
    client = found.server.client()
    time.sleep(random.uniform(0, PAUSE_OF_OUTBOX))
    run_id = found.submit("sleep", {"seconds": 0.1})
    client.delete("celery")
    seconds = until(lambda: client.llen("celery"), 60, "the message")
    found.start_worker(1, PYTHONPATH=found.environment["PYTHONPATH"])
    assert found.wait_for_end(run_id).state is State.SUCCEEDED
    return seconds


def resisting_task(found: local.Platform) -> float:
    """From the cancel to the death of the last process; the lock must not move before."""
    _, run_id, _ = begun(found, "resist")
    pids = wait_until(lambda: len(p := {e.pid for e in found.events(run_id)}) == 2 and p, 20)
    found.submit("sleep", {"seconds": 0.1}, policy=Policy.QUEUE)
    lock = found.run(run_id).spec.lock
    found.cancel(run_id, GRACE)
    early: list[str] = []

    def dead() -> bool:
        moved = found.ledger.execute(ops.GetLock(lock=lock)).owner != run_id
        living = [pid for pid in pids if local.alive(pid)]
        early.extend(f"{pid}" for pid in living if moved)
        return not living

    seconds = until(dead, 60, "the processes to die")
    assert not early, f"the lock moved on while {early} lived"
    for each in found.submitted:
        found.wait_for_end(each)
    return seconds


BOUND = local.BOUND_SECONDS
FAULTS: dict[str, tuple[Callable[[local.Platform], float], float]] = {
    "child killed, lock free": (killed_child, 1.0),
    "main killed, lock free": (killed_main, 1.0),
    "worker frozen, lock free": (frozen_worker, BOUND),
    "worker cut off, lock free": (cut_off_worker, BOUND),
    "server restarted, next run begins": (restarted_server, BLESSING + 1),
    "message lost, published again": (lost_message, 15.0),
    "resisting task cancelled, all dead": (resisting_task, GRACE + 1),
}


if __name__ == "__main__":
    raise SystemExit(main())
