"""The peer: plain Celery with the settings its own documentation recommends for short tasks."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery

app = Celery("alone", set_as_current=False)
app.conf.update(
    broker_url=os.environ["REDIS_URL"],
    task_default_queue="alone",
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
)


@app.task(name="stamp_alone")
def stamp_alone() -> None:
    started = time.monotonic()
    line = f"{started} {time.monotonic()}\n"
    with Path(os.environ["BENCH_STAMPS"]).open("a") as stamps:
        stamps.write(line)
