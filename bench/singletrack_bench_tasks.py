"""The same task behind the gate."""

from __future__ import annotations

import os
import time
from pathlib import Path

from singletrack import task


@task(name="stamp_gated")
def stamp_gated() -> None:
    started = time.monotonic()
    line = f"{started} {time.monotonic()}\n"
    with Path(os.environ["BENCH_STAMPS"]).open("a") as stamps:
        stamps.write(line)
