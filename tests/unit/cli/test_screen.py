"""The screen: where everything is, and commands that can be copied."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from singletrack_cli import screen
from singletrack_cli.screen import Facts
from singletrack_cli.task_modules import DEMO, DeclaredTask, TaskModules

FACTS = Facts(
    version="0.1.0",
    seconds=2.34,
    api_url="http://127.0.0.1:8000",
    metrics_url="http://127.0.0.1:8000/metrics",
    ledger="the embedded Valkey",
    modules="my_tasks",
    task=DEMO.first,
    start_task="dummy_task",
    environment_file=".singletrack/env",
    python="python",
)
NEEDS_MONTH = DeclaredTask(name="report", module="mine", attribute="build", required=["month"])
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def test_it_shows_addresses_and_the_time_it_took() -> None:
    shown = screen.render(FACTS, coloured=False)
    assert "ready after 2.3 s" in shown
    assert FACTS.api_url in shown
    assert FACTS.metrics_url in shown


def test_commands_stand_alone_on_their_lines() -> None:
    lines = screen.render(FACTS, coloured=False).splitlines()
    assert "curl http://127.0.0.1:8000/start" in lines
    assert any(line.startswith("python -c '") and line.endswith("'") for line in lines)


def test_colours_add_nothing_but_colours() -> None:
    coloured = screen.render(FACTS, coloured=True)
    assert ESCAPE.sub("", coloured) == screen.render(FACTS, coloured=False)
    assert coloured != screen.render(FACTS, coloured=False)


def test_kubectl_is_shown_only_where_there_is_a_cluster() -> None:
    assert "kubectl" not in screen.render(FACTS, coloured=False)
    shown = screen.render(replace(FACTS, kubeconfig=Path("/a b/kubeconfig")), coloured=False)
    assert "export KUBECONFIG='/a b/kubeconfig'" in shown
    assert "kubectl create -f - <<EOF\napiVersion: singletrack.dev/v1alpha1" in shown
    assert "\nEOF\n" in shown


def test_parameters_that_a_task_cannot_do_without_are_asked_for() -> None:
    facts = replace(FACTS, task=NEEDS_MONTH, start_task="report", kubeconfig=Path("/k"))
    shown = screen.render(facts, coloured=False)
    assert "curl 'http://127.0.0.1:8000/start?month=...'" in shown
    assert "  params:\n    month: ..." in shown
    assert "from mine import build; print(build.delay(month=...)" in shown


def test_without_any_task_there_is_still_a_door() -> None:
    shown = screen.render(replace(FACTS, task=None), coloured=False)
    assert "/status" in shown
    assert ".delay(" not in shown


def test_start_runs_the_usual_task_if_there_is_one_else_the_first_that_needs_nothing() -> None:
    free = DeclaredTask(name="free", module="mine", attribute="free")
    usual = DeclaredTask(name="dummy_task", module="mine", attribute="dummy_task")
    assert TaskModules(tasks=(NEEDS_MONTH, free)).start_task({}) == "free"
    assert TaskModules(tasks=(NEEDS_MONTH,)).start_task({}) == "report"
    assert TaskModules(tasks=(free, usual)).start_task({}) == "dummy_task"
    assert TaskModules(tasks=()).start_task({}) == "dummy_task"
    told = {"SINGLETRACK_START_TASK": "told"}
    assert TaskModules(tasks=(free,)).start_task(told) == "told"
