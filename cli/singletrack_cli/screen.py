"""The one screen that is shown when everything runs: addresses, and first commands to copy.

Pure, and in plain escape codes: a library for terminals would stay in memory for one screen.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from singletrack_cli.task_modules import DeclaredTask

_BOLD, _GREEN, _PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[0m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the screen tells."""

    version: str
    seconds: float
    api_url: str
    metrics_url: str
    ledger: str
    modules: str
    task: DeclaredTask | None
    start_task: str
    environment_file: str
    python: str
    kubeconfig: Path | None = None


def render(facts: Facts, *, coloured: bool) -> str:
    """The screen as text; commands stand alone on their lines, so that they can be copied."""

    def styled(style: str, text: str) -> str:
        return f"{style}{text}{_PLAIN}" if coloured else text

    places = [f"  {styled(_BOLD, f'{label:<12}')}{text}" for label, text in _places(facts)]
    blocks = [
        styled(_BOLD, f"Singletrack {facts.version} is ready after {facts.seconds:.1f} s."),
        "\n".join(places),
        styled(_BOLD, "First commands, for another terminal in this folder:"),
        *(styled(_GREEN, command) for command in commands(facts)),
        styled(_BOLD, "Ctrl-C stops everything; the data stays."),
    ]
    return "\n" + "\n\n".join(blocks) + "\n"


def _places(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "REST API", f"{facts.api_url}  (described in /openapi.json)"
    yield "Metrics", facts.metrics_url
    yield "Ledger", facts.ledger
    yield "Tasks", facts.modules
    if facts.kubeconfig is not None:
        yield "Kubernetes", f"export KUBECONFIG={shlex.quote(str(facts.kubeconfig))}"


def commands(facts: Facts) -> Iterator[str]:
    """What to type first, one block for each door."""
    yield _over_rest(facts)
    task = facts.task
    yield f"source {shlex.quote(facts.environment_file)}    # sets {_variables(facts)}"
    if task is None:
        return
    if facts.kubeconfig is not None:
        yield _over_kubectl(task)
    yield _over_python(task, facts.python)


def _over_rest(facts: Facts) -> str:
    query = ""
    if facts.task is not None and facts.task.name == facts.start_task:
        query = "&".join(f"{name}=..." for name in facts.task.required)
    url = f"{facts.api_url}/start{'?' if query else ''}{query}"
    return f"curl {shlex.quote(url) if query else url}\ncurl {facts.api_url}/status"


def _variables(facts: Facts) -> str:
    return "REDIS_URL" if facts.kubeconfig is None else "KUBECONFIG and REDIS_URL"


def _over_kubectl(task: DeclaredTask) -> str:
    lines = [
        "kubectl create -f - <<EOF",
        "apiVersion: singletrack.dev/v1alpha1",
        "kind: TaskRun",
        "metadata: {generateName: first-}",
        "spec:",
        f"  task: {task.name}",
    ]
    if task.required:
        lines += ["  params:", *(f"    {name}: ..." for name in task.required)]
    return "\n".join([*lines, "EOF", "kubectl get taskruns.singletrack.dev --watch"])


def _over_python(task: DeclaredTask, python: str) -> str:
    parameters = ", ".join(f"{name}=..." for name in task.required)
    program = (
        f"import singletrack_worker.app; from {task.module} import {task.attribute}; "
        f"print({task.attribute}.delay({parameters}).get(timeout=60))"
    )
    return f"{shlex.quote(python)} -c {shlex.quote(program)}"
