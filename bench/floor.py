"""The floor: two processes that hand a word back and forth by LPUSH and BRPOP, nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis


@contextmanager
def partner() -> Iterator[redis.Redis]:
    """The other process; it stamps what it receives and answers."""
    process = subprocess.Popen([sys.executable, __file__], env=dict(os.environ))
    client = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=None)
    try:
        yield client
    finally:
        client.lpush("floor:there", "stop")
        process.wait(10)
        client.close()


def hand_over(client: redis.Redis, times: int) -> list[float]:
    """Seconds from LPUSH here to BRPOP's answer there, one at a time."""
    found = []
    for _ in range(times):
        sent = time.monotonic()
        client.lpush("floor:there", "go")
        _key, received = client.brpop("floor:back", timeout=10)
        found.append(float(received) - sent)
    return found


def _answer() -> None:
    client = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=None)
    while True:
        _key, word = client.brpop("floor:there")
        received = time.monotonic()
        if word == b"stop":
            return
        client.lpush("floor:back", str(received))


if __name__ == "__main__":
    _answer()
