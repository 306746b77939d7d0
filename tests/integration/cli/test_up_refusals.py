"""What is wrong is said in one sentence with the remedy: exit code 1, no stack trace."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from integration.cli.up_process import END, StartUp, command_environ
from support.redis_servers import VALKEY, RedisServer, running

from singletrack_cli.controlplane import Binaries, ControlPlane


def refusal(start_up: StartUp, *words: str) -> str:
    """The one line with which it refuses to start."""
    up = start_up(*words)
    assert up.process.wait(END) == 1
    [line] = [line for line in up.output.splitlines() if not line.startswith("up       |")]
    assert line.startswith("singletrack: ")
    return line.removeprefix("singletrack: ")


def test_a_taken_port(start_up: StartUp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(start_up, "--api-port", str(port))
    assert said.startswith(f"port {port} is taken by another program")
    assert "--api-port" in said


def test_a_module_that_is_not_there(start_up: StartUp) -> None:
    said = refusal(start_up, "--tasks", "nope")
    assert said.startswith("there is no module 'nope'")
    assert "my_tasks for my_tasks.py" in said


def test_a_module_with_a_mistake_in_it(start_up: StartUp, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import not_there\n")
    said = refusal(start_up, "--tasks", "mine")
    assert said.endswith(f"No module named 'not_there' ({tmp_path}/mine.py:1)")


def test_a_redis_that_is_not_there(start_up: StartUp) -> None:
    said = refusal(start_up, "--redis", "redis://:s3cret@127.0.0.1:1/0")
    assert "127.0.0.1:1/0 did not answer" in said
    assert "leave --redis out" in said
    assert "s3cret" not in said


def test_a_redis_that_would_break_the_promise(start_up: StartUp, tmp_path: Path) -> None:
    with running(VALKEY, tmp_path, appendonly="no") as server:
        said = refusal(start_up, "--redis", server.url)
    assert "CONFIG SET appendonly yes" in said


def test_a_redis_that_may_evict_locks(start_up: StartUp, tmp_path: Path) -> None:
    with running(VALKEY, tmp_path, maxmemory_policy="allkeys-lru") as server:
        said = refusal(start_up, "--redis", server.url)
    assert "CONFIG SET maxmemory-policy noeviction" in said


def test_a_redis_with_another_password(start_up: StartUp, fresh_valkey: RedisServer) -> None:
    said = refusal(start_up, "--redis", fresh_valkey.url.replace(fresh_valkey.password, "wrong"))
    assert "--redis: " in said
    assert "password" in said


def test_data_that_another_one_uses(start_up: StartUp) -> None:
    up = start_up().ready()
    done = subprocess.run(
        [sys.executable, "-m", "singletrack_cli", "up", "--api-port", "0", "--data", "data"],
        cwd=up.folder,
        env=command_environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "another `singletrack up` runs on the data" in done.stderr
    assert up.starts_and_ends()["status"] == "SUCCESS"
    up.interrupt()


@pytest.mark.kubernetes
def test_a_cluster_that_does_not_know_task_runs_is_changed_only_when_asked(
    start_up: StartUp, programs: Binaries, tmp_path: Path
) -> None:
    with ControlPlane.start(programs, tmp_path / "given", durable=False) as plane:
        said = refusal(start_up, "--kubeconfig", str(plane.kubeconfig))
        assert "does not know TaskRuns" in said
        assert "--install-crd" in said
        resources = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert plane.client.request("GET", resources)["items"] == []
        up = start_up("--kubeconfig", str(plane.kubeconfig), "--install-crd").ready()
        assert up.starts_and_ends()["status"] == "SUCCESS"
        [definition] = plane.client.request("GET", resources)["items"]
        assert definition["metadata"]["name"] == "taskruns.singletrack.dev"
        assert up.interrupt() == 0


def test_a_cluster_that_does_not_answer(start_up: StartUp, tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(
        '{"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],'
        ' "users": [{"name": "u", "user": {"token": "t"}}], "current-context": "x",'
        ' "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}'
    )
    said = refusal(start_up, "--kubeconfig", str(config))
    assert "127.0.0.1" in said
