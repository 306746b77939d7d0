"""What all parts of a platform write in JSON: whose lines they are, and what is never in them."""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from celery import Celery
from support import control_plane
from support.faults.cluster import TASKRUNS, ClusterStage, set_up
from support.faults.story import RUNS_PATH
from support.waiting import wait_until

from singletrack.lifecycle import TERMINAL, State
from singletrack.logs.events import BOUND, EVENTS
from singletrack.operations import GetRun

pytestmark = [pytest.mark.redis, pytest.mark.kubernetes, pytest.mark.timeout(180)]

SOON = 60.0
IDENTITY = ("run", "task", "lock", "attempt")

Line = dict[str, Any]


class Platform:
    """API, operator and two workers on a cluster, and what they have written so far."""

    def __init__(self, stage: ClusterStage) -> None:
        self.stage = stage
        self.parts = stage.parts.parts
        found = re.search(r'"url": "(http://[^"]+)"', self.parts["api"].log)
        assert found is not None
        self.http = httpx2.Client(base_url=found[1], timeout=20)

    @property
    def password(self) -> str:
        return self.stage.server.password

    @property
    def output(self) -> str:
        return "\n".join(part.log for part in self.parts.values())

    @property
    def lines(self) -> list[Line]:
        """Every line; those that are not one JSON object each fail the test."""
        found = [json.loads(line) for line in self.output.splitlines() if line.strip()]
        return sorted(found, key=lambda line: str(line["timestamp"]))

    def lines_of(self, run_id: str) -> list[Line]:
        return [line for line in self.lines if line.get("run") == run_id]

    def post(self, task: str, params: dict[str, Any]) -> str:
        body = {"task": task, "params": params}
        answer = self.http.post(RUNS_PATH, json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def apply(self, task: str, params: dict[str, Any]) -> tuple[str, str]:
        """A TaskRun's UID and name."""
        body = {
            "apiVersion": "singletrack.dev/v1alpha1",
            "kind": "TaskRun",
            "metadata": {"name": f"r-{uuid.uuid4().hex[:8]}", "namespace": "default"},
            "spec": {"task": task, "params": params},
        }
        made = self.stage.plane.client.request("POST", TASKRUNS, body)["metadata"]
        return made["uid"], made["name"]

    def send(self, task: str, **params: Any) -> None:
        """As a producer that knows Celery alone."""
        with Celery("producer", broker=self.stage.server.url) as app:
            app.send_task(task, kwargs=params)

    def push(self, junk: str) -> None:
        """What is no message, into the queue of the workers."""
        self.stage.server.client().lpush("celery", json.dumps([junk]))

    def state_of(self, run_id: str) -> State | None:
        run = self.stage.ledger.execute(GetRun(run_id=run_id))
        return run.state if run else None

    def result_of(self, run_id: str) -> str | None:
        run = self.stage.ledger.execute(GetRun(run_id=run_id))
        return run.result if run else None

    def until_ended(self, run_id: str) -> None:
        """Until the operator shows the end."""

        def ended() -> bool:
            shown = [line["event"] for line in self.lines_of(run_id)]
            return self.state_of(run_id) in TERMINAL and "run_ended" in shown

        wait_until(ended, SOON, f"the end of {run_id}")

    def until_seen(self, event: str, **fields: Any) -> None:
        def seen() -> bool:
            said = {"event": event, **fields}
            return any(said.items() <= line.items() for line in self.lines)

        wait_until(seen, SOON, f"{event} of {fields}")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterStage]:
    """Everything that is logged at all, as JSON."""
    programs = control_plane.programs()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SINGLETRACK_LOG_FORMAT", "json")
        environment.setenv("SINGLETRACK_LOG_LEVEL", "DEBUG")
        with set_up(tmp_path_factory.mktemp("logs") / "stage", programs) as found:
            found.parts.until_ready()
            yield found


@pytest.fixture(scope="module")
def platform(stage: ClusterStage) -> Iterator[Platform]:
    found = Platform(stage)
    with found.http:
        yield found


def identities(lines: list[Line]) -> set[tuple[Any, ...]]:
    return {tuple(line.get(name) for name in IDENTITY) for line in lines}


def test_the_lines_of_one_run_say_over_all_parts_which_it_is(platform: Platform) -> None:
    name = uuid.uuid4().hex[:8]
    run_id = platform.post("count_to", {"to": 2, "name": name})
    platform.until_ended(run_id)
    lines = platform.lines_of(run_id)
    said = {(line["component"], line["event"]): line for line in lines}
    for component, event in (("worker", "run_finished"), ("operator", "run_ended")):
        assert identities([said[component, event]]) == {
            (run_id, "count_to", f"default/count/{name}", 1)
        }
    for component, event in (("api", "request"), ("worker", "run_delivered")):
        assert identities([said[component, event]]) <= {
            (run_id, "count_to", f"default/count/{name}", attempt) for attempt in (None, 1)
        }


def test_a_taskrun_that_is_deleted_shows_its_run_in_the_lines_of_the_lease_agent(
    platform: Platform,
) -> None:
    run_id, name = platform.apply("sleep_with_child", {"seconds": 60})
    platform.until_seen("run_delivered", run=run_id)
    wait_until(lambda: platform.state_of(run_id) is State.RUNNING, SOON, "its start")
    platform.stage.plane.client.request("DELETE", f"{TASKRUNS}/{name}")
    platform.until_seen("run_finished", run=run_id)
    [stopping] = [it for it in platform.lines_of(run_id) if it["event"] == "run_stopping"]
    [asked] = [it for it in platform.lines_of(run_id) if it["event"] == "run_cancel_asked"]
    assert stopping["component"] == "agent"
    assert asked["taskrun"] == f"default/{name}"
    assert identities([stopping, asked]) == {(run_id, "sleep_with_child", "default/default", 1)}


def test_each_attempt_is_told_of_by_its_number(platform: Platform) -> None:
    run_id = platform.post("flaky", {"failures": 1})
    platform.until_ended(run_id)
    finished = [it for it in platform.lines_of(run_id) if it["event"] == "run_finished"]
    assert [line["attempt"] for line in finished] == [1, 2]
    assert {line["task"] for line in finished} == {"flaky"}


def test_nothing_of_a_run_is_left_on_the_lines_after_it(platform: Platform) -> None:
    names = [uuid.uuid4().hex[:8] for _ in range(8)]
    runs = {platform.post("count_to", {"to": 1, "name": name}): name for name in names}
    for run_id, name in runs.items():
        platform.until_ended(run_id)
        locks = {line.get("lock") for line in platform.lines_of(run_id)}
        assert locks - {None} == {f"default/count/{name}"}
    stray = [line for line in platform.lines if "run" not in line and {*IDENTITY} & line.keys()]
    assert stray == []


def test_every_line_of_ours_is_as_its_event_is_declared(platform: Platform) -> None:
    platform.until_ended(platform.post("add", {"x": 1, "y": 2}))
    ours = [line for line in platform.lines if "logger" not in line]
    assert {"api_listening", "agent_ready", "worker_starting"} <= {it["event"] for it in ours}
    for line in ours:
        event = EVENTS[line["event"]]
        assert line["level"] == event.level
        assert set(line) <= {*event.fields, *BOUND}, line
        assert "run" in line or not event.of_run, line


def test_no_line_shows_parameters_results_or_passwords(platform: Platform) -> None:
    """Neither ours nor Celery's, at the level that says most."""
    text, number = f"mark{uuid.uuid4().hex}", secrets.randbelow(10**12) + 10**12
    greeted = platform.post("dummy_task", {"name": text})
    counted, _ = platform.apply("add", {"x": number, "y": 1})
    wrong = {"x": number, "y": text}
    rejected, _ = platform.apply("add", wrong)
    refused = platform.http.post(RUNS_PATH, json={"task": "add", "params": wrong})
    assert (refused.status_code, text in refused.text) == (422, True)
    platform.send("add", **wrong)
    platform.send("no.such.task", name=text)
    platform.push(text)
    for run_id in (greeted, counted):
        platform.until_ended(run_id)
    platform.until_seen("run_ended", run=rejected)
    platform.until_seen("run_finished", task="add", state="FAILED")
    platform.until_seen("message_unreadable")
    wait_until(lambda: "no.such.task" in platform.output, SOON, "Celery to complain")

    assert platform.result_of(greeted) == f'"Hello {text}!"'
    assert platform.result_of(counted) == str(number + 1)
    for mark in (text, str(number), str(number + 1), platform.password):
        assert mark not in platform.output
