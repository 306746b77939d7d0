"""What 1,000 waiting runs cost while nothing happens: the commands that the server processes.

Upkeep and one worker are there, with the shipped settings. The runs wait for paused locks, in one
round for one lock, in another for 1,000; they are cancelled and forgotten in between.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import measuring  # it sets the path for what follows

WAITING = 1000
MOST_GROWTH = 1.0  # commands a second
SETTLE_SECONDS = 2.0

LOCKS = {"nobody": "", "one_lock": "default/one", "many_locks": "default/{}"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--seconds", type=float, default=20.0, help="one measure (default 20)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    given = parser.parse_args()
    rates: dict[str, list[float]] = {name: [] for name in LOCKS}
    with ExitStack() as stack:
        server = stack.enter_context(measuring.server())
        import blessing
        import upkeep_thread

        from singletrack.settings import Settings

        blessing.bless()
        stack.enter_context(upkeep_thread.upkeep(Settings()))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(measuring.worker("singletrack_worker.app:app", 1, folder / "stamps"))
        time.sleep(3 * SETTLE_SECONDS)
        for number in range(given.rounds):
            for name, lock in LOCKS.items():
                rates[name].append(_measure(server, lock, f"{name}-{number}", given.seconds))
            print(f"round {number + 1}:", {name: found[-1] for name, found in rates.items()})
    return _verdict(rates, given.json)


def _measure(server: object, lock: str, mark: str, seconds: float) -> float:
    """Commands a second with that many waiting; everything is as before afterwards."""
    from singletrack import operations as ops
    from singletrack.adapters.redis_ledger import RedisLedger
    from singletrack.run import Cancellation, RunSpec
    from singletrack.settings import LedgerSettings

    ledger = RedisLedger.from_settings(LedgerSettings())
    specs = [
        RunSpec(
            run_id=f"{mark}-{number}", task="t", lock=lock.format(number), queue="q", ttl_seconds=0
        )
        for number in range(WAITING if lock else 0)
    ]
    locks = {spec.lock for spec in specs}
    for key in locks:
        ledger.execute(ops.PauseLock(lock=key, by="bench", reason=""))
    for spec in specs:
        ledger.execute(ops.Submit(spec=spec))
    time.sleep(SETTLE_SECONDS)
    rate = _rate(server, seconds)
    for spec in specs:
        ledger.execute(ops.Cancel(run_id=spec.run_id, cancellation=Cancellation(by="bench")))
        ledger.execute(ops.Forget(run_id=spec.run_id))
    for key in locks:
        ledger.execute(ops.ResumeLock(lock=key))
    ledger.close()
    return rate


def _rate(server: object, seconds: float) -> float:
    def processed() -> int:
        with server.client() as client:  # type: ignore[attr-defined]
            return int(client.info("stats")["total_commands_processed"])

    before, began = processed(), time.monotonic()
    time.sleep(seconds)
    return round((processed() - before) / (time.monotonic() - began), 1)


def _verdict(rates: dict[str, list[float]], json_file: Path | None) -> int:
    missed = 0
    for name, found in rates.items():
        spread = f"{min(found):g} / {statistics.median(found):g} / {max(found):g}"
        growth = statistics.median(found) - statistics.median(rates["nobody"])
        missed += growth > MOST_GROWTH
        word = "MISSED" if growth > MOST_GROWTH else "held"
        print(f"{name:12} {spread} commands/s, growth {growth:.1f}, bar {MOST_GROWTH:g}: {word}")
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps({"commands_per_second": rates}, indent=1))
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
