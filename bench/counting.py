"""What the metrics cost the ledger: `submit` and `finish` with and without the lines that count.

The peers are two servers, one with the library as it is, one with a library in which counting does
nothing. The time is the server's own, of each function alone (`INFO commandstats`), and of all a
run needs, with its share of what adds the counts up later, for as many runs as end in a second.
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
#: Of all of a run's functions and of adding up: what it was when each of them did all of it itself.
MOST_RATIO_OF_ALL = 1.10
BATCH = 10
ADDED_UP_AFTER = 100


def main() -> int:
    options = measuring.arguments(__doc__ or "")
    with ExitStack() as stack:
        ledgers = {name: _ledger(stack) for name in ("not_counting", "counting")}
        ledgers["not_counting"].client.function_load(_library_that_counts_nothing(), replace=True)
        medians: dict[str, list[float]] = defaultdict(list)
        for number in range(options.rounds):
            for name, spent in _round(ledgers, options.runs, number).items():
                medians[name].append(statistics.median(spent) / 1000)
            print(f"round {number + 1}:", {name: f"{m[-1]:.4f}" for name, m in medians.items()})
    bars = [
        *(_bar(operation, MOST_RATIO) for operation in OPERATIONS),
        _bar("all", MOST_RATIO_OF_ALL),
    ]
    return measuring.verdict(medians, bars, options.json)


def _bar(what: str, most: float) -> measuring.Bar:
    return measuring.Bar(f"{what} counting", f"{what} not_counting", most)


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
    heads = re.findall(r"^(local function \w+|\w+ = function)\(", counting, re.MULTILINE)
    nothing = "".join(f"{head}() return '' end\n" for head in heads)
    return library.source().replace(counting, nothing)


def _round(ledgers: Mapping[str, Any], runs: int, number: int) -> dict[str, list[float]]:
    """Microseconds a run spent in each function, of each small batch; the ledgers take turns."""
    found: dict[str, list[float]] = defaultdict(list)
    batches = ADDED_UP_AFTER // BATCH
    for turn in range(runs // BATCH):
        for name in list(ledgers)[:: 1 if turn % 2 else -1]:
            for operation, spent in _batch(ledgers[name], f"{number}-{turn}").items():
                found[f"{operation} {name}"].append(spent)
            if (turn + 1) % batches == 0:
                _add_up(ledgers[name], name, found, batches)
    return found


def _batch(ledger: Any, label: str) -> dict[str, float]:
    ids = [f"run-{label}-{n}" for n in range(BATCH)]
    changes = [{"task": f"task-{n}", "lock": f"default/{label}-{n}"} for n in range(BATCH)]
    each = list(zip(ids, changes, strict=True))
    grants: list[Any] = []
    return {
        "submit": _spent(ledger, lambda: [ledger.submit(i, push=True, **c) for i, c in each]),
        "start": _spent(ledger, lambda: grants.extend(ledger.start(i).grant for i in ids)),
        "finish": _spent(ledger, lambda: [ledger.finish(grant, result="1") for grant in grants]),
    }


def _add_up(ledger: Any, name: str, found: dict[str, list[float]], batches: int) -> None:
    from singletrack.operations import AddUp

    share = _spent(ledger, lambda: ledger.execute(AddUp())) / ADDED_UP_AFTER
    found[f"adding-up {name}"].append(share)
    parts = (found[f"{part} {name}"][-batches:] for part in ("submit", "start", "finish"))
    found[f"all {name}"].append(sum(map(statistics.mean, parts)) + share)


def _spent(ledger: Any, act: Any) -> float:
    """Microseconds a call. The server's statistics are not reset: it would make them anew, command
    by command, in the time that is measured."""
    before = _calls(ledger)
    act()
    calls, spent = (now - then for now, then in zip(_calls(ledger), before, strict=True))
    return spent / calls


def _calls(ledger: Any) -> tuple[int, int]:
    """How often a function was called, and how many microseconds that took."""
    found = ledger.client.info("commandstats").get("cmdstat_fcall", {"calls": 0, "usec": 0})
    return int(found["calls"]), int(found["usec"])


if __name__ == "__main__":
    raise SystemExit(main())
