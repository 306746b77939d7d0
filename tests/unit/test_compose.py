"""`compose.yaml` is valid, and as closed as the chart's pods; `tests/e2e` starts what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.document import blocks
from support.helm import CHART
from support.local_platform import ROOT
from support.setting_names import setting_names

FILE = ROOT / "compose.yaml"
PAGE = ROOT / "docs/how-to/compose.md"
SERVICES = ("valkey", "api", "worker")
#: podman-compose asks for its version before it reads a file, and for nothing else.
PODMAN = """#!/bin/sh
test "$1" = --version || exit 1
echo "podman version 5.0.0"
"""


class Compose:
    """podman-compose on a machine whose podman only says its version."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        podman = folder / "podman"
        podman.write_text(PODMAN)
        podman.chmod(0o755)

    def config(self, *more: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        files = [word for file in (FILE, *more) for word in ("--file", str(file))]
        return subprocess.run(
            [sys.executable, "-m", "podman_compose", *files, "config"],
            env={"PATH": f"{self._folder}{os.pathsep}{os.environ['PATH']}"} | variables,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def read(self, *more: Path, **variables: str) -> dict[str, Any]:
        """The services as they are when every variable has its value."""
        done = self.config(*more, LEDGER_PASSWORD="abc123", **variables)
        assert done.returncode == 0, done.stderr
        services: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
        return services


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Compose:
    return Compose(tmp_path_factory.mktemp("compose"))


@pytest.fixture(scope="module")
def services(compose: Compose) -> dict[str, Any]:
    return compose.read()


def test_the_schema_of_the_compose_specification_accepts_it() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, str(FILE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_it_has_a_ledger_an_api_and_a_worker_and_no_operator(services: dict[str, Any]) -> None:
    assert set(services) == set(SERVICES)


def test_without_a_password_it_says_where_to_read_on(compose: Compose) -> None:
    done = compose.config()
    assert done.returncode != 0
    assert "docs/how-to/compose.md" in done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_restricted_comes_back_and_says_how_it_is(
    services: dict[str, Any], name: str
) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].partition(":")[0] not in {"", "0", "root"}
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["mem_limit"]


def test_nothing_is_reached_from_outside_the_machine(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert [port.rpartition(":")[0] for port in ports] == ["127.0.0.1:6379"]
    api = services["api"]
    assert api["network_mode"] == "host"
    assert api["environment"]["SINGLETRACK_API_HOST"] == "127.0.0.1"
    assert [name for name in SERVICES if "ledger" in services[name].get("networks", ())] == [
        "valkey",
        "worker",
    ]


def test_the_ledger_keeps_every_write_and_asks_for_the_password(services: dict[str, Any]) -> None:
    server, *words = services["valkey"]["command"]
    assert server == "valkey-server"
    assert dict(zip(words[::2], words[1::2], strict=True)) == {
        "--dir": "/data",
        "--appendonly": "yes",
        "--appendfsync": "always",
        "--maxmemory-policy": "noeviction",
        "--save": "",
        "--requirepass": "abc123",
    }
    assert services["valkey"]["volumes"] == ["ledger:/data"]


def test_the_ledger_is_the_one_of_the_chart(services: dict[str, Any]) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert services["valkey"]["image"] == values["valkey"]["image"]


def test_every_part_finds_the_ledger_also_at_another_port(compose: Compose) -> None:
    services = compose.read(LEDGER_PORT="7000", API_PORT="9000")
    urls = {name: services[name]["environment"]["REDIS_URL"] for name in ("api", "worker")}
    assert urls == {
        "api": "redis://:abc123@127.0.0.1:7000/0",
        "worker": "redis://:abc123@valkey:6379/0",
    }
    assert services["valkey"]["ports"] == ["127.0.0.1:7000:6379"]
    assert services["api"]["environment"]["SINGLETRACK_API_PORT"] == "9000"


def test_every_setting_in_it_is_one_that_there_is(services: dict[str, Any]) -> None:
    named = {name for service in services.values() for name in service.get("environment", ())}
    assert named <= setting_names() | {"LEDGER_PASSWORD"}


def test_it_builds_stages_of_the_dockerfile(services: dict[str, Any]) -> None:
    stages = set(re.findall(r" AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    for name in ("api", "worker"):
        build = services[name]["build"]
        assert build["target"] in stages
        assert services[name]["image"] == f"singletrack-{build['target']}"


def test_the_pages_file_for_tasks_adds_them_and_changes_nothing_else(
    compose: Compose, services: dict[str, Any], tmp_path: Path
) -> None:
    [override] = [block.text for block in blocks(PAGE.read_text()) if block.kind == "yaml"]
    file = tmp_path / "compose.override.yaml"
    file.write_text(override)
    changed = compose.read(file)
    worker = services["worker"]
    added = {"SINGLETRACK_TASKS": "my_tasks", "PYTHONPATH": "/tasks"}
    assert changed["worker"] == worker | {
        "environment": worker["environment"] | added,
        "volumes": ["./my_tasks.py:/tasks/my_tasks.py:ro"],
    }
    assert {name: changed[name] for name in ("valkey", "api")} == {
        name: services[name] for name in ("valkey", "api")
    }


def test_the_page_names_every_variable_and_no_other() -> None:
    there = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    assert set(re.findall(r"\b(?:API|LEDGER)_\w+", PAGE.read_text())) == there


@pytest.mark.parametrize(("answer", "healthy"), [(200, True), (503, False)])
def test_the_api_is_healthy_when_it_is_ready(
    services: dict[str, Any], answer: int, healthy: bool
) -> None:
    program = healthcheck(services["api"])
    with answering(answer) as (port, asked):
        assert is_content(program, SINGLETRACK_API_PORT=str(port)) is healthy
    assert asked == ["/readyz"]
    assert not is_content(program, SINGLETRACK_API_PORT=str(port))


def test_a_worker_is_healthy_while_main_listens(services: dict[str, Any]) -> None:
    port = services["worker"]["environment"]["SINGLETRACK_WORKER_METRICS_PORT"]
    program = healthcheck(services["worker"])
    assert f", {port})" in program
    with answering(200) as (free, _):
        elsewhere = program.replace(port, str(free))
        assert is_content(elsewhere)
    assert not is_content(elsewhere)


def healthcheck(service: dict[str, Any]) -> str:
    """The program by which a service is asked how it is."""
    kind, python, option, program = service["healthcheck"]["test"]
    assert (kind, python, option) == ("CMD", "python", "-c")
    return str(program)


def is_content(program: str, **environment: str) -> bool:
    command = [sys.executable, "-c", program]
    return not subprocess.run(command, env=environment, capture_output=True, check=False).returncode


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server that answers everything with this status, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()
