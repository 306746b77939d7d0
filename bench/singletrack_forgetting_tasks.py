"""A task that does nothing, and now and then has its process say what it holds."""

from __future__ import annotations

import os
from pathlib import Path

from holdings import holdings

from singletrack import task

EVERY = 250

_runs = 0


@task(name="do_nothing", lock="bench/{number}")
def do_nothing(number: int) -> None:
    global _runs
    _runs += 1
    if _runs % EVERY == 0:
        line = " ".join(map(str, (os.getpid(), _runs, *holdings())))
        with Path(os.environ["BENCH_STAMPS"]).open("a") as notes:
            notes.write(f"{line}\n")
