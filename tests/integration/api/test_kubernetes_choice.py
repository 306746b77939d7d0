"""The API told to go through a cluster, whose API server does not answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.redis_servers import RedisServer

RUNS = "/v1/namespaces/default/runs"


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config))
    return file


def test_runs_are_refused_for_now_and_the_rest_is_answered(
    valkey: RedisServer, worker: Any, start_api: Callable[..., Any], kubeconfig: Path
) -> None:
    process = start_api(valkey.url, intake="auto", kubeconfig=kubeconfig)
    assert "intake=kubernetes" in process.log
    refused = process.http.post(RUNS, json={"task": "dummy_task"})
    assert (refused.status_code, refused.json()["code"]) == (503, "intake-unavailable")
    assert process.http.get("/start").status_code == 503
    assert process.http.get(RUNS).json()["items"] == []
    assert worker.ledger, "the ledger is there"
    assert "singletrack_runs_" not in process.http.get("/metrics").text, "the operator's business"
    assert process.terminate() == 0


def test_a_kubeconfig_that_is_not_there_is_one_sentence(
    valkey: RedisServer, start_api: Callable[..., Any], tmp_path: Path
) -> None:
    process = start_api(valkey.url, serving=False, intake="auto", kubeconfig=tmp_path / "none")
    assert process.exit_code() == 1
    [line] = process.log.splitlines()
    assert "kubeconfig" in line
