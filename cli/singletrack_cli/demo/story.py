"""The story, one function a step; each shows commands and makes claims about what they did."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from singletrack_cli.demo import evidence
from singletrack_cli.demo.stage import TASKRUNS, Stage

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    title: str
    act: Callable[[Stage], None]


def one_lock(stage: Stage) -> None:
    create(
        stage,
        manifest("first", "count_to", {"to": 30, "seconds": 0.1}, key="reports"),
        manifest("second", "count_to", {"to": 5, "seconds": 0.1}, key="reports"),
    )
    wait_phase(stage, "first", "Running")
    wait_phase(stage, "second", "Queued")
    phases = {name: phase(item) for name, item in stage.taskruns().items()}
    stage.run(f"kubectl get {TASKRUNS}")
    stage.claim("the second waits while the first runs", phases["second"] == "Queued", phases)
    wait_finished(stage, "first", "second")
    first, second = (run_events(stage, name) for name in ("first", "second"))
    gap_ms = (second[0].boottime_ns - first[-1].boottime_ns) / NS_PER_MS
    stage.claim(f"the second began {gap_ms:.0f} ms after the first had ended", gap_ms > 0)
    tokens = first[0].token, second[0].token
    stage.claim("its fencing token is the larger one", tokens[1] > tokens[0], tokens)


def refused(stage: Stage) -> None:
    params = {"seconds": 120, "stubborn": True}
    create(stage, manifest("long", "sleep_with_child", params, key="machine"))
    wait_phase(stage, "long", "Running")
    create(stage, manifest("refused", "dummy_task", {}, key="machine", policy="Reject"))
    wait_finished(stage, "refused")
    path = "{.status.phase}: {.status.error.message}"
    stage.run(f"kubectl get {TASKRUNS} refused -o jsonpath='{path}'")
    status = stage.taskrun("refused")["status"]
    stage.claim("it was refused", status["phase"] == "Rejected", status)
    stage.claim("the status names who holds the lock", "long" in json.dumps(status), status)
    stage.claim("its code never began", not run_events(stage, "refused"))


def cancelled(stage: Stage) -> None:
    create(stage, manifest("heir", "count_to", {"to": 1}, key="machine"))
    pids = stage.until("the process and its child", lambda: pids_of(stage, "long", at_least=2))
    stage.show(f"\nThe run executes in process {pids[0]}, which has started process {pids[1]}.")
    stage.show("Both ignore SIGTERM, so after the grace period they have to be killed.")
    patch = '{"spec": {"cancel": {"reason": "seen enough", "gracePeriodSeconds": 1}}}'
    stage.run(f"kubectl patch {TASKRUNS} long --type=merge -p '{patch}'")
    wait_finished(stage, "long", "heir")
    status = stage.taskrun("long")["status"]
    stage.claim("it was cancelled", status["phase"] == "Cancelled", status)
    stage.claim("both processes are gone", not any(map(alive, pids)), pids)
    last = run_events(stage, "long")[-1].boottime_ns
    began = run_events(stage, "heir")[0].boottime_ns
    sentence = "the lock moved on only after the last sign of life of either"
    stage.claim(sentence, began > last, f"{(last - began) / NS_PER_MS:.1f} ms too early")


def failed(stage: Stage) -> None:
    create(stage, manifest("failing", "fail", {"message": "the disk is full"}))
    wait_finished(stage, "failing")
    path = "{.status.error.traceback}"
    shown = stage.run(f"kubectl get {TASKRUNS} failing -o jsonpath='{path}'")
    stage.claim("the status holds the traceback", "ValueError: the disk is full" in shown, shown)


def over_rest(stage: Stage) -> None:
    started = json.loads(stage.run(f"curl -s {stage.setting.api}/start"))
    run_id = started.get("id", "")
    stage.claim("the run was accepted", run_id, started)
    url = f"{stage.setting.api}/status?task_id={run_id}"

    def ended() -> bool:
        return json.loads(stage.look(f"curl -s '{url}'"))["status"] not in {"PENDING", "STARTED"}

    stage.until("its end", ended)
    shown = json.loads(stage.run(f"curl -s '{url}'"))
    stage.claim(
        "it says hello", (shown["status"], shown["result"]) == ("SUCCESS", "Hello Bob!"), shown
    )


def from_python(stage: Stage) -> None:
    program = (
        "import singletrack_worker.app; from singletrack_worker.demo_tasks import dummy_task; "
        'print(dummy_task.delay("Ada").get(timeout=60))'
    )
    shown = stage.run(f"{Path(sys.executable).name} -c '{program}'")
    stage.claim("the result came back to the producer", shown.strip() == "Hello Ada!", shown)


def all_together(stage: Stage) -> None:
    stage.run(f"kubectl wait --for=condition=Finished {TASKRUNS} --all --timeout=60s")
    stage.run(f"kubectl get {TASKRUNS}")
    name = "second"
    run_id = stage.taskrun(name)["status"]["runID"]
    shown = json.loads(stage.run(f"curl -s '{stage.setting.api}/status?task_id={run_id}'"))
    stage.claim(f"REST knows the run that kubectl calls {name}", shown["status"] == "SUCCESS")
    runs = evidence.runs(stage)
    evidence.compare_with_taskruns(stage, runs)
    numbers = "^singletrack_runs_(submitted|finished)_total"
    stage.run(f"curl -s {stage.setting.metrics} | grep -E '{numbers}' | grep -v ' 0$'")
    evidence.compare_with_metrics(stage, runs)


STEPS = (
    Step(title="Two TaskRuns want the same lock: one waits for the other", act=one_lock),
    Step(title="A third one would rather be refused than wait", act=refused),
    Step(title="A running one is cancelled: the lock waits for its processes", act=cancelled),
    Step(title="One fails", act=failed),
    Step(title="One is started over REST", act=over_rest),
    Step(title="One is started from Python, like any Celery task", act=from_python),
    Step(title="Kubernetes, REST and the metrics tell the same", act=all_together),
    Step(title="The log that the tasks wrote is judged by the checker", act=evidence.judge),
)


def manifest(
    name: str, task: str, params: Mapping[str, Any], *, key: str = "", policy: str = ""
) -> str:
    """A TaskRun as a person writes it."""
    lines = [
        "apiVersion: singletrack.dev/v1alpha1",
        "kind: TaskRun",
        f"metadata: {{name: {name}}}",
        "spec:",
        f"  task: {task}",
    ]
    if params:
        pairs = ", ".join(f"{name}: {json.dumps(value)}" for name, value in params.items())
        lines.append(f"  params: {{{pairs}}}")
    if key:
        lines.append(f"  lock: {{key: {key}{f', policy: {policy}' if policy else ''}}}")
    return "\n".join(lines)


def create(stage: Stage, *manifests: str) -> None:
    documents = "\n---\n".join(manifests)
    stage.run(f"kubectl create -f - <<EOF\n{documents}\nEOF")


def wait_phase(stage: Stage, name: str, phase: str) -> None:
    condition = f"jsonpath='{{.status.phase}}'={phase}"
    stage.run(f"kubectl wait --for={condition} {TASKRUNS}/{name} --timeout=30s")


def wait_finished(stage: Stage, *names: str) -> None:
    objects = " ".join(f"{TASKRUNS}/{name}" for name in names)
    stage.run(f"kubectl wait --for=condition=Finished {objects} --timeout=60s")


def phase(taskrun: Mapping[str, Any]) -> str:
    return str(taskrun["status"]["phase"])


def run_events(stage: Stage, name: str) -> list[Any]:
    """What the processes of a TaskRun's run wrote, in order of time."""
    run_id = stage.taskrun(name)["metadata"]["uid"]
    return sorted(stage.events(run_id), key=lambda event: event.boottime_ns)


def pids_of(stage: Stage, name: str, *, at_least: int) -> list[int]:
    """The processes of a run, the first of them first; empty while there are too few."""
    pids = list(dict.fromkeys(event.pid for event in run_events(stage, name)))
    return pids if len(pids) >= at_least else []


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
