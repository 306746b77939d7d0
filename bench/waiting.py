"""What 10,000 waiting runs cost the one that comes: submitting to a lock that is held.

The peers are three ledgers on one server: nobody waits; all wait for this lock; all wait for locks
of their own. The run that was submitted is cancelled again, so that no ledger grows.
"""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Mapping
from typing import Any

import measuring  # it sets the path for what follows

WAITING = 10_000
MOST_RATIO = 1.15


def main() -> int:
    options = measuring.arguments(__doc__ or "")
    with measuring.server() as server:
        from conformance.ledgers import OnServer

        ledgers = {name: OnServer(server, name) for name in ("nobody", "one_lock", "many_locks")}
        print(f"filling two ledgers with {WAITING} waiting runs", flush=True)
        _fill(ledgers["one_lock"], "default/held")
        _fill(ledgers["many_locks"], "default/{}")
        for ledger in ledgers.values():
            ledger.submit("holder", lock="default/held")
        medians: dict[str, list[float]] = {name: [] for name in ledgers}
        for number in range(options.rounds):
            for name, seconds in _round(ledgers, options.runs).items():
                medians[name].append(seconds * 1000)
            print(f"round {number + 1}:", {name: f"{m[-1]:.2f}" for name, m in medians.items()})
        for ledger in ledgers.values():
            ledger.close()
    bars = [measuring.Bar(name, "nobody", MOST_RATIO) for name in ("one_lock", "many_locks")]
    return measuring.verdict(medians, bars, options.json)


def _fill(ledger: Any, lock: str) -> None:
    for number in range(WAITING):
        for role in ("holder", "waiting"):
            ledger.submit(f"{role}-{number}", lock=lock.format(number))


def _round(ledgers: Mapping[str, Any], runs: int) -> dict[str, float]:
    """The median of each ledger; they take turns, so that a slow moment meets all of them."""
    found: dict[str, list[float]] = {name: [] for name in ledgers}
    for number in range(runs):
        for name in list(ledgers)[number % len(ledgers) :] + list(ledgers)[: number % len(ledgers)]:
            run_id = f"run-{uuid.uuid4()}"
            began = time.perf_counter()
            ledgers[name].submit(run_id, lock="default/held")
            found[name].append(time.perf_counter() - began)
            ledgers[name].cancel(run_id)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


if __name__ == "__main__":
    raise SystemExit(main())
