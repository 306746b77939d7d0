"""What the metrics cost the ledger: `submit` and `finish` with and without the lines that count.

The peers are two servers, one with the library as it is, one with a library in which counting does
nothing. The time is the server's own, of each function alone (`INFO commandstats`).
"""

from __future__ import annotations

import re
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

import measuring  # it sets the path for what follows

MOST_RATIO = 1.05
OPERATIONS = ("submit", "finish")
BATCH = 10


def main() -> int:
    options = measuring.arguments(__doc__ or "")
    with ExitStack() as stack:
        ledgers = {name: _ledger(stack) for name in ("not_counting", "counting")}
        ledgers["not_counting"].client.function_load(_library_that_counts_nothing(), replace=True)
        medians: dict[str, list[float]] = {
            f"{operation} {name}": [] for operation in OPERATIONS for name in ledgers
        }
        for number in range(options.rounds):
            for name, spent in _round(ledgers, options.runs, number).items():
                medians[name].append(statistics.median(spent) / 1000)
            print(f"round {number + 1}:", {name: f"{m[-1]:.4f}" for name, m in medians.items()})
    bars = [
        measuring.Bar(f"{operation} counting", f"{operation} not_counting", MOST_RATIO)
        for operation in OPERATIONS
    ]
    return measuring.verdict(medians, bars, options.json)


def _ledger(stack: ExitStack) -> Any:
    from conformance.ledgers import OnServer
    from support import redis_servers

    from singletrack.operations import RegisterTasks

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    server = stack.enter_context(redis_servers.running(redis_servers.VALKEY, folder))
    ledger = OnServer(server, "bench")
    stack.callback(ledger.close)
    ledger.execute(RegisterTasks(entries={f"task-{n}": "{}" for n in range(50)}))
    return ledger


def _library_that_counts_nothing() -> str:
    from singletrack.adapters.redis_ledger import library

    folder = files("singletrack.adapters.redis_ledger") / "functions"
    counting = (folder / "counting.lua").read_text()
    names = re.findall(r"^local function (\w+)", counting, re.MULTILINE)
    nothing = "".join(f"local function {name}() return '' end\n" for name in names)
    return library.source().replace(counting, nothing)


def _round(ledgers: Mapping[str, Any], runs: int, number: int) -> dict[str, list[float]]:
    """Microseconds a call spent in each function, of each small batch; the ledgers take turns."""
    found: dict[str, list[float]] = defaultdict(list)
    for turn in range(runs // BATCH):
        for name in list(ledgers)[:: 1 if turn % 2 else -1]:
            for operation, spent in _batch(ledgers[name], f"{number}-{turn}").items():
                found[f"{operation} {name}"].append(spent)
    return found


def _batch(ledger: Any, label: str) -> dict[str, float]:
    ids = [f"run-{label}-{n}" for n in range(BATCH)]
    changes = [{"task": f"task-{n}", "lock": f"default/{label}-{n}"} for n in range(BATCH)]
    each = list(zip(ids, changes, strict=True))
    submitting = _spent(ledger, lambda: [ledger.submit(i, push=True, **c) for i, c in each])
    grants = [ledger.start(run_id).grant for run_id in ids]
    finishing = _spent(ledger, lambda: [ledger.finish(grant, result="1") for grant in grants])
    return {"submit": submitting, "finish": finishing}


def _spent(ledger: Any, act: Any) -> float:
    ledger.client.config_resetstat()
    act()
    return float(ledger.client.info("commandstats")["cmdstat_fcall"]["usec_per_call"])


if __name__ == "__main__":
    raise SystemExit(main())
