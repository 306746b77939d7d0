"""The rest of an installation beside the operator: a worker, and what all parts are told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.operator.cluster import FAST_BLESSING, ROOT, SOON
from support.redis_servers import RedisServer
from support.waiting import InVain, wait_until


def environment_of(server: RedisServer, key_prefix: str, namespace: str) -> dict[str, str]:
    """What a worker and an API are started with, on the ledger of the operator."""
    parts = ("core", "worker", "api")
    return {
        **os.environ,
        **FAST_BLESSING,
        "REDIS_URL": server.url,
        "SINGLETRACK_KEY_PREFIX": key_prefix,
        "SINGLETRACK_NAMESPACE": namespace,
        "SINGLETRACK_API_PORT": "0",
        "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in parts),
    }


@contextmanager
def packaged_worker(
    environment: dict[str, str], folder: Path, queue: str, *options: str
) -> Iterator[None]:
    """A worker that takes messages from that queue."""
    log_file = folder / "worker.log"
    command = [sys.executable, "-m", "singletrack_worker", "-c", "2", "-Q", queue]
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*command, "-n", f"{queue}@test", *options], env=environment, stdout=log, stderr=log
        )

        def ready() -> bool:
            if process.poll() is not None:
                raise InVain(log_file.read_text())
            return b" ready." in log_file.read_bytes()

        try:
            wait_until(ready, SOON, "the worker")
            yield
        finally:
            process.terminate()
            process.wait(SOON)
