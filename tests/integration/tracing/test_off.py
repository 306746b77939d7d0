"""Tracing off: nothing of OpenTelemetry is imported, and a caller's place in a trace goes through.

redis-py and FastAPI import parts of it themselves, where they find it; the platform adds none.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.local_platform import Platform
from support.trace_collector import Collector

from singletrack.lifecycle import State

#: Has every process, and those it forks, say what it imports.
TELLING = {"PYTHONPROFILEIMPORTTIME": "1"}


def imported(log: str) -> set[str]:
    """The modules of OpenTelemetry that a process has said it imported."""
    return set(re.findall(r"import time:.*\| +(opentelemetry[\w.]*)", log))


def imported_by(*libraries: str) -> set[str]:
    """Those that the libraries import of their own accord where OpenTelemetry is installed."""
    told = subprocess.run(
        [sys.executable, "-c", f"import {', '.join(libraries)}"],
        env={**os.environ, **TELLING},
        capture_output=True,
        text=True,
        check=True,
    )
    return imported(told.stderr)


def test_a_worker_its_children_and_its_agent_import_nothing_of_it(platform: Platform) -> None:
    platform.start_worker(**TELLING)
    run_id = platform.submit("add", {"x": 1, "y": 2})
    assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    log = platform.worker_log()
    assert "singletrack_worker.agent.loop" in log, "imports are told"
    assert imported(log) <= imported_by("redis")


def test_asked_for_but_disabled_is_off(platform: Platform, collector: Collector) -> None:
    platform.start_worker(**TELLING, **collector.environment, OTEL_SDK_DISABLED="true")
    assert platform.wait_for_end(platform.submit("add", {"x": 1, "y": 2})).terminal
    assert imported(platform.worker_log()) <= imported_by("redis")
    assert collector.spans == []


def test_on_it_is_imported_once_before_children_are_forked(
    platform: Platform, collector: Collector
) -> None:
    platform.start_worker(**TELLING, **collector.environment)
    assert platform.wait_for_end(platform.submit("add", {"x": 1, "y": 2})).terminal
    told = re.findall(r"\| +opentelemetry\.sdk\.trace$", platform.worker_log(), re.MULTILINE)
    assert len(told) == 1


def test_the_api_imports_nothing_of_it(start_api: Any) -> None:
    log = start_api(**TELLING).log
    assert "singletrack_api.app" in log, "imports are told"
    assert imported(log) <= imported_by("redis", "fastapi")


def test_a_caller_s_place_in_a_trace_reaches_the_task_all_the_same(
    platform: Platform, start_api: Any, tmp_path: Path
) -> None:
    (tmp_path / "places.py").write_text(
        "from singletrack import task\n"
        "@task(name='place', bind=True)\n"
        "def place(self):\n"
        "    return self.request.traceparent\n"
    )
    path = f"{tmp_path}:{Path(__file__).parents[3] / 'core'}:{Path(__file__).parents[3] / 'worker'}"
    platform.start_worker(SINGLETRACK_TASKS="places", PYTHONPATH=path)
    place = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    run_id = start_api().start_run("place", place)
    assert platform.wait_for_end(run_id).result == f'"{place}"'


def test_where_the_extra_is_missing_one_line_says_so_and_runs_go_on(
    platform: Platform, collector: Collector, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['opentelemetry.sdk'] = None\n"
    )
    path = f"{tmp_path}:{Path(__file__).parents[3] / 'core'}:{Path(__file__).parents[3] / 'worker'}"
    platform.start_worker(PYTHONPATH=path, **collector.environment)
    assert platform.wait_for_end(platform.submit("add", {"x": 1, "y": 2})).state is State.SUCCEEDED
    [line] = [li for li in platform.worker_log().splitlines() if "tracing_not_possible" in li]
    assert "pip install 'singletrack[tracing]'" in line


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "no exporter of traces named 'zipkin'"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1", "schedule_delay_millis must be positive"),
    ],
)
def test_variables_that_cannot_be_are_said_and_runs_go_on(
    platform: Platform, collector: Collector, variable: str, value: str, said: str
) -> None:
    platform.start_worker(1, **collector.environment | {variable: value})
    assert platform.wait_for_end(platform.submit("add", {"x": 1, "y": 2})).state is State.SUCCEEDED
    [line] = [li for li in platform.worker_log().splitlines() if "tracing_not_possible" in li]
    assert said in line
