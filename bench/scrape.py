"""How long a scrape of the runs' metrics takes, and how long it is: 100 tasks, 10,000 runs done.

The peer is the same exporter, of a ledger with the same tasks and no run. A real API process
answers, over HTTP.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import measuring  # it sets the path for what follows

TASKS = 100
RUNS = 10_000
MOST_MS = 10.0


def main() -> int:
    options = measuring.arguments(__doc__ or "")
    with ExitStack() as stack:
        pages: dict[str, httpx2.Client] = {}
        for name in ("no_runs", "runs"):
            server = stack.enter_context(measuring.server())
            ledger = _ledger(stack, server, name)
            if name == "runs":
                _fill(ledger, RUNS // 2)
            pages[name] = stack.enter_context(_api(name))
            if name == "runs":
                half = _lines(pages[name])
                _fill(ledger, RUNS, first=RUNS // 2)
        measures = {name: _scrapes(page, options.runs) for name, page in pages.items()}
        medians = measuring.rounds(measures, options.rounds)
        text = pages["runs"].get("/metrics").text
        lines = _lines(pages["runs"])
    verdict = measuring.verdict(medians, [], options.json)
    slowest = max(medians["runs"])
    print(f"{lines} lines, {len(text) / 1024:.0f} KiB; {half} lines with half the runs")
    held = slowest <= MOST_MS and lines == half
    word = "held" if held else "MISSED"
    print(f"slowest median {slowest:.1f} ms, bar {MOST_MS:g}; as many lines as with half: {word}")
    return verdict or int(not held)


def _ledger(stack: ExitStack, server: Any, prefix: str) -> Any:
    from conformance.ledgers import OnServer

    from singletrack.operations import RegisterTasks

    os.environ["SINGLETRACK_KEY_PREFIX"] = prefix
    ledger = OnServer(server, prefix)
    os.environ["REDIS_URL"] = ledger.url
    stack.callback(ledger.close)
    entries = {f"reports.task_number_{number}": "{}" for number in range(TASKS)}
    ledger.execute(RegisterTasks(entries=entries, queues=(ledger.queue,)))
    return ledger


def _fill(ledger: Any, last: int, first: int = 0) -> None:
    from singletrack.lifecycle import State

    print(f"finishing {last - first} runs", flush=True)
    for number in range(first, last):
        task = f"reports.task_number_{number % TASKS}"
        grant = ledger.running(f"run-{number}", lock=f"default/{number}", task=task)
        ledger.finish(grant, State.FAILED if number % (3 * TASKS) < TASKS else State.SUCCEEDED)


@contextmanager
def _api(name: str) -> Iterator[httpx2.Client]:
    environment = os.environ | {"SINGLETRACK_API_PORT": "0", "SINGLETRACK_INTAKE": "ledger"}
    with (
        tempfile.TemporaryDirectory(prefix=name) as folder,
        (Path(folder) / "api.log").open("w+") as log,
        subprocess.Popen(
            [sys.executable, "-m", "singletrack_api"], env=environment, stdout=log, stderr=log
        ) as process,
    ):
        try:
            address = _address(Path(log.name))
            with httpx2.Client(base_url=address, timeout=20) as client:
                yield client
        finally:
            process.terminate()


def _address(log: Path) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := re.search(r"api_listening.* url=(http://\S+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise SystemExit(f"the API does not listen:\n{log.read_text()}")


def _scrapes(page: httpx2.Client, count: int) -> Any:
    def measure() -> list[float]:
        found = []
        for _ in range(count):
            began = time.perf_counter()
            page.get("/metrics").raise_for_status()
            found.append(time.perf_counter() - began)
        return found

    return measure


def _lines(page: httpx2.Client) -> int:
    """Samples about runs; those of requests become more with each kind of request."""
    text = page.get("/metrics").text
    return sum("singletrack_http_" not in line for line in text.splitlines() if line[0] != "#")


if __name__ == "__main__":
    raise SystemExit(main())
