"""A platform whose API is a process too, with everything sent to one collector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from integration.api.conftest import ApiProcess
from support.local_platform import ROOT, Platform, start_environment

StartApi = Callable[..., "Api"]


class Api(ApiProcess):
    """The API on the platform's server, and what its callers do."""

    def start_run(self, task: str, place: str = "", **fields: object) -> str:
        """Start a run over REST, as a caller with that `traceparent`, and answer its id."""
        answer = self.http.post(
            "/v1/namespaces/default/runs",
            json={"task": task, **fields},
            headers={"traceparent": place} if place else {},
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


@pytest.fixture
def start_api(platform: Platform, tmp_path: Path) -> Iterator[StartApi]:
    """Start an API process on the platform's server."""
    with ExitStack() as stack:

        def start(**environment: str) -> Api:
            own = {"SINGLETRACK_API_PORT": "0", "SINGLETRACK_INTAKE": "ledger"}
            given = start_environment(platform, **own, **environment)
            given["PYTHONPATH"] += f":{ROOT / 'api'}"
            api = Api(tmp_path, given)
            stack.callback(api.close)
            api.wait_for_address()
            return api

        yield start
