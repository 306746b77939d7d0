"""What the API answers while its ledger is gone, or hangs, and that it comes back by itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from support.redis_servers import RedisServer
from support.waiting import wait_until

RUNS = "/v1/namespaces/default/runs"


@pytest.fixture
def api(fresh_valkey: RedisServer, start_api: Callable[..., Any]) -> httpx2.Client:
    process = start_api(fresh_valkey.url)
    wait_until(lambda: process.http.get("/readyz").status_code == 200, what="readiness")
    return process.http


@pytest.fixture
def frozen(fresh_valkey: RedisServer, api: httpx2.Client) -> Iterator[RedisServer]:
    """The server is there, and does not answer."""
    os.kill(fresh_valkey.pid, signal.SIGSTOP)
    yield fresh_valkey
    os.kill(fresh_valkey.pid, signal.SIGCONT)


def test_start_is_500_could_not_acquire_lock_when_the_ledger_is_gone(
    api: httpx2.Client, fresh_valkey: RedisServer
) -> None:
    fresh_valkey.kill9()
    answer = api.get("/start")
    assert (answer.status_code, answer.json()["detail"]) == (500, "Could not acquire lock")


@pytest.mark.usefixtures("frozen")
def test_start_answers_within_four_seconds_when_the_ledger_hangs(api: httpx2.Client) -> None:
    begun = time.monotonic()
    answer = api.get("/start")
    assert time.monotonic() - begun < 4
    assert (answer.status_code, answer.json()["detail"]) == (500, "Could not acquire lock")


def test_everything_else_is_503_and_the_process_lives(
    api: httpx2.Client, fresh_valkey: RedisServer
) -> None:
    fresh_valkey.kill9()
    for answer in (
        api.post(RUNS, json={"task": "dummy_task"}),
        api.get(RUNS),
        api.get("/status"),
        api.get("/cancel"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "ledger-unavailable")
        assert answer.headers["retry-after"] == "2"
        assert fresh_valkey.password not in answer.text
    unready = api.get("/readyz")
    assert (unready.status_code, unready.json()["ledger"]) == (503, {"reachable": False})
    assert api.get("/livez").status_code == 200
    assert "singletrack_ledger_up 0\n" in api.get("/metrics").text


def test_it_is_ready_again_when_the_ledger_is_back(
    api: httpx2.Client, fresh_valkey: RedisServer
) -> None:
    fresh_valkey.kill9()
    assert api.get("/readyz").status_code == 503
    fresh_valkey.start()
    wait_until(lambda: api.get("/readyz").status_code == 200, what="readiness")


def test_the_api_may_start_before_its_ledger(
    fresh_valkey: RedisServer, start_api: Callable[..., Any]
) -> None:
    fresh_valkey.stop()
    api = start_api(fresh_valkey.url).http
    assert api.get("/livez").status_code == 200
    assert api.get("/readyz").status_code == 503
    fresh_valkey.start()
    ready = wait_until(lambda: _ready(api), what="readiness")
    assert ready["ledger"]["durability"] == "strict"
    assert "fsync always" in ready["ledger"]["durabilityDetail"]


def _ready(api: httpx2.Client) -> Any:
    answer = api.get("/readyz")
    return answer.json() if answer.status_code == 200 else None
