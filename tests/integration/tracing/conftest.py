"""A platform whose API is a process too, with everything sent to one collector."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from support.local_platform import SOON, Platform, start_environment
from support.waiting import InVain, wait_until

StartApi = Callable[..., "Api"]


class Api:
    """`python -m singletrack_api` on the platform's server, and a client for it."""

    def __init__(self, platform: Platform, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        own = {"SINGLETRACK_API_PORT": "0", "SINGLETRACK_INTAKE": "ledger"}
        given = start_environment(platform, **own, **environment)
        given["PYTHONPATH"] += f":{Path(__file__).resolve().parents[3] / 'api'}"
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "singletrack_api"],
                env=given,
                stdout=output,
                stderr=output,
            )
        self.http = httpx2.Client(timeout=20)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def until_listening(self) -> None:
        def address() -> str | None:
            if self.process.poll() is not None:
                raise InVain(self.log)
            found = re.search(r"api_listening.* url=(http://\S+)", self.log)
            return found and found[1]

        self.http.base_url = wait_until(address, SOON, "the API to listen")

    def start_run(self, task: str, place: str = "", **fields: object) -> str:
        """Start a run over REST, as a caller with that `traceparent`, and answer its id."""
        answer = self.http.post(
            "/v1/namespaces/default/runs",
            json={"task": task, **fields},
            headers={"traceparent": place} if place else {},
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def close(self) -> None:
        self.http.close()
        self.process.terminate()
        self.process.wait(SOON)


@pytest.fixture
def start_api(platform: Platform, tmp_path: Path) -> Iterator[StartApi]:
    """Start an API process on the platform's server."""
    with ExitStack() as stack:

        def start(**environment: str) -> Api:
            api = Api(platform, tmp_path / "api.log", environment)
            stack.callback(api.close)
            api.until_listening()
            return api

        yield start
