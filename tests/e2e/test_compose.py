"""`compose.yaml` started by podman: the parts of one machine, without a cluster."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e.releases import TAG
from support.document import blocks
from support.platform_images import REGISTRY, ROOT, VALKEY, alias
from support.redis_servers import free_port
from support.servers import require
from support.waiting import wait_until

from singletrack import termination

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(600)]

PAGE = ROOT / "docs/how-to/compose.md"
RUNS = "/v1/namespaces/default/runs"
TASKS = """
from singletrack import task

@task(name="hello")
def hello(name: str) -> str:
    return f"Hello {name}!"
"""


class Compose:
    """A user's folder with the file in it, and ports and names of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = f"singletrack-{secrets.token_hex(4)}"
        self.port = free_port()
        shutil.copy(ROOT / "compose.yaml", folder)
        limits = folder / "containers.conf"
        limits.write_text(f"[containers]\ndefault_ulimits = {json.dumps(_limits())}\n")
        self._environment = os.environ | {
            "LEDGER_PASSWORD": secrets.token_hex(12),
            "LEDGER_PORT": str(free_port()),
            "API_PORT": str(self.port),
            "CONTAINERS_CONF": str(limits),
        }

    def do(self, *words: str) -> str:
        """Without building: the images are there."""
        command = [sys.executable, "-m", "podman_compose", "--project-name", self.project, *words]
        return self._run(command)

    def up(self) -> None:
        self.do("up", "--detach", "--no-build")

    def podman(self, *words: str) -> str:
        return self._run(["podman", *words])

    def logs(self, container: str) -> str:
        done = self._done(["podman", "logs", container])
        return done.stdout + done.stderr

    def _run(self, command: list[str]) -> str:
        done = self._done(command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _done(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError as error:
            return 0, str(error)

    def answered(self, path: str, body: Any = None) -> Any:
        """What it says once it has done what it was asked."""
        code, said = self.ask(path, body)
        return said if code in {200, 201, 202} else None


def _limits() -> list[str]:
    """podman would raise them, which not every machine allows."""
    return [f"{name}=4096:4096" for name in ("nofile", "nproc")]


@pytest.fixture
def compose(images: None, tmp_path: Path) -> Iterator[Compose]:
    require(shutil.which("podman"), "podman", "apt-get install podman")
    upstream = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["valkey"]["image"]
    with ExitStack() as stack:
        for part in ("api", "worker"):
            name = f"{REGISTRY}singletrack-{part}"
            stack.enter_context(alias(f"{name}:{TAG}", f"{name}:latest"))
        stack.enter_context(alias(VALKEY, upstream))
        made = Compose(tmp_path)
        try:
            yield made
        finally:
            made.do("down", "--volumes")


def test_runs_go_through_containers_and_nothing_but_the_ledger_stays(compose: Compose) -> None:
    compose.up()
    wait_until(lambda: compose.answered("/start"), 60, "the demo task to start")
    status = wait_until(lambda: _ended(compose, "/status"), 60, "its end")
    assert status["status"] == "SUCCESS"

    _bring_own_tasks(compose)
    compose.up()
    wish = {"task": "hello", "params": {"name": "Ann"}}
    run = wait_until(lambda: compose.answered(RUNS, wish), 60, "the own task to be taken")
    path = f"{RUNS}/{run['id']}"
    wait_until(lambda: compose.ask(path)[1].get("phase") == "Succeeded", 60, "its end")
    assert compose.ask(f"{path}/result")[1] == "Hello Ann!"

    compose.do("down")
    mine = f"--filter=label=com.docker.compose.project={compose.project}"
    assert compose.podman("ps", "--all", "--quiet", mine) == ""
    assert compose.project in compose.podman("volume", "ls", "--quiet")
    compose.up()
    wait_until(lambda: compose.ask(path)[0] == 200, 60, "the API knows the run")
    assert compose.ask(f"{path}/result")[1] == "Hello Ann!"


def test_a_worker_that_waits_for_its_ledger_is_stopped_at_once_though_it_is_pid_1(
    compose: Compose,
) -> None:
    name = f"{compose.project}-alone"
    away = "--env=REDIS_URL=redis://127.0.0.1:1/0"
    image = f"{REGISTRY}singletrack-worker:{TAG}"
    compose.podman("run", "--detach", "--name", name, "--network=none", away, image)
    try:
        wait_until(lambda: "waiting_for_ledger" in compose.logs(name), 60, "the worker to wait")
        compose.podman("stop", "--time=60", name)
        code = compose.podman("inspect", "--format={{.State.ExitCode}}", name)
        assert int(code) == termination.CODE, "it was killed when its time was over"
    finally:
        compose.podman("rm", "--force", name)


def _ended(compose: Compose, path: str) -> Any:
    _, said = compose.ask(path)
    return said if isinstance(said, dict) and said.get("status") == "SUCCESS" else None


def _bring_own_tasks(compose: Compose) -> None:
    """As the page says."""
    [override] = [each.text for each in blocks(PAGE.read_text()) if each.kind == "yaml"]
    (compose.folder / "compose.override.yaml").write_text(override)
    (compose.folder / "my_tasks.py").write_text(TASKS)
