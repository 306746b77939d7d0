"""The process itself: where it listens, what it refuses, how it stops, what it writes."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from support.redis_servers import RedisServer
from support.waiting import wait_until

Start = Callable[..., Any]


def refused(process: Any) -> str:
    """The one line of a process that did not want to start."""
    assert process.exit_code() == 1
    [line] = process.log.splitlines()
    return str(line)


def test_a_taken_port_is_one_sentence_with_the_remedy(
    valkey: RedisServer, start_api: Start
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(start_api(valkey.url, serving=False, api_port=port))
    assert f"port {port} on 127.0.0.1 is taken" in line
    assert "SINGLETRACK_API_PORT" in line


def test_it_refuses_to_listen_where_others_could_reach_it(
    valkey: RedisServer, start_api: Start
) -> None:
    line = refused(start_api(valkey.url, serving=False, api_host="0.0.0.0"))  # noqa: S104
    assert "without authentication" in line
    assert "SINGLETRACK_AUTH" in line
    assert "SINGLETRACK_API_HOST" in line


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("api_port", "http", "SINGLETRACK_API_PORT"),
        ("api_host", "no such host", "SINGLETRACK_API_HOST"),
        ("intake", "postgres", "SINGLETRACK_INTAKE"),
    ],
)
def test_a_wrong_setting_is_named(
    valkey: RedisServer, start_api: Start, setting: str, value: str, expected: str
) -> None:
    assert expected in refused(start_api(valkey.url, serving=False, **{setting: value}))


def test_its_log_is_json_where_the_setting_says_so(valkey: RedisServer, start_api: Start) -> None:
    process = start_api(valkey.url, serving=False, log_format="json")
    wait_until(lambda: "api_listening" in process.log, 60, "the API to listen")
    [listening] = [line for line in process.log.splitlines() if "api_listening" in line]
    assert json.loads(listening)["url"].startswith("http://127.0.0.1:")
    process.terminate()


def test_a_server_that_would_break_the_promise_is_refused_with_the_fix(
    fresh_valkey: RedisServer, start_api: Start
) -> None:
    fresh_valkey.client().config_set("maxmemory-policy", "allkeys-lru")
    line = refused(start_api(fresh_valkey.url, serving=False))
    assert "CONFIG SET maxmemory-policy noeviction" in line


def test_sigterm_ends_it_in_order(valkey: RedisServer, start_api: Start) -> None:
    process = start_api(valkey.url)
    process.http.get("/livez")
    assert process.terminate() == 0
    assert "api_stopped" in process.log
    assert "Traceback" not in process.log


def test_a_request_is_one_log_line_with_its_id_and_the_run_s(
    valkey: RedisServer, start_api: Start, worker: Any
) -> None:
    process = start_api(valkey.url)
    started = process.http.get("/start", headers={"X-Request-ID": "mine-1"})
    process.http.get("/livez")
    assert started.headers["x-request-id"] == "mine-1"
    lines = wait_until(lambda: [x for x in process.log.splitlines() if "path=" in x], what="a line")
    assert len(lines) == 1
    assert "request=mine-1" in lines[0]
    assert f"run={started.json()['id']}" in lines[0]


def test_ten_megabytes_are_refused_clearly_whether_announced_or_streamed(
    valkey: RedisServer, start_api: Start
) -> None:
    process = start_api(valkey.url)
    body = b'{"task": "dummy_task", "params": {"name": "' + b"x" * 10_000_000 + b'"}}'
    for content in (body, iter([body[i : i + 65536] for i in range(0, len(body), 65536)])):
        answer = process.http.post(
            "/v1/namespaces/default/runs",
            content=content,
            headers={"Content-Type": "application/json"},
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
        assert answer.headers["content-type"] == "application/problem+json"
    assert process.http.get("/livez").status_code == 200
