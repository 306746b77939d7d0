"""`k8s/argocd/health.lua`, run as Argo CD runs it, over the statuses that the operator writes."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
import yaml
from lupa.lua51 import LuaRuntime
from support.document import blocks
from support.local_platform import ROOT
from support.taskruns import NOW, STANDINGS, a_run, shown, unseen

from singletrack.custom_resource import GROUP, KIND, standing
from singletrack.custom_resource.definition import custom_resource_definition
from singletrack.errors import Holder
from singletrack.lifecycle import Phase, State
from singletrack.operations import Pause
from singletrack.run import Failure

FOLDER = ROOT / "k8s/argocd"
SCRIPT = (FOLDER / "health.lua").read_text()

#: Argo CD opens the basic functions, `package`, `table` and two functions of `os`.
CLOSED = ("string", "io", "os", "math", "debug", "python")

HEALTHY, PROGRESSING = {Phase.SUCCEEDED, Phase.JOINED}, standing.LIVE_PHASES


def health(resource: dict[str, Any]) -> tuple[str, str]:
    """What the script says of a resource."""
    lua = LuaRuntime(register_eval=False, unpack_returned_tuples=True)
    lua.execute('getmetatable("").__index = nil')
    names = lua.globals()
    for name in CLOSED:
        names[name] = None
    names["obj"] = lua.table_from(resource, recursive=True)
    said = lua.execute(SCRIPT)
    assert set(said) == {"status", "message"}
    return said["status"], said["message"]


@pytest.mark.parametrize("name", STANDINGS)
def test_a_run_on_its_way_is_progressing_and_an_end_is_healthy_or_degraded(name: str) -> None:
    phase = STANDINGS[name].phase
    wanted = "Healthy" if phase in HEALTHY else "Degraded"
    assert health(shown(STANDINGS[name]))[0] == ("Progressing" if phase in PROGRESSING else wanted)


def test_every_phase_is_among_those_that_were_looked_at() -> None:
    assert {stands.phase for stands in STANDINGS.values()} == set(Phase)


@pytest.mark.parametrize("status", [None, {}, unseen()["status"]], ids=["none", "empty", "default"])
def test_a_taskrun_that_nobody_has_seen_is_progressing(status: dict[str, Any] | None) -> None:
    assert health(unseen(status=status))[0] == "Progressing"


@pytest.mark.parametrize("name", STANDINGS)
def test_a_status_of_an_older_spec_says_nothing_but_that_it_is_progressing(name: str) -> None:
    resource = shown(STANDINGS[name])
    resource["metadata"]["generation"] += 1
    assert health(resource)[0] == "Progressing"


@pytest.mark.parametrize("state", [State.QUEUED, State.READY])
def test_a_run_that_a_pause_keeps_waiting_is_suspended_and_says_by_whom(state: State) -> None:
    pause = Pause(by="ann", reason="new rollers", since=NOW)
    state_of_it, message = health(shown(standing.of_run(a_run(state), pause)))
    assert state_of_it == "Suspended"
    assert "was paused by ann: new rollers" in message


def test_a_run_of_whose_worker_nobody_hears_is_suspended() -> None:
    state, message = health(shown(standing.of_run(a_run(State.RUNNING, suspect_at=NOW))))
    assert state == "Suspended"
    assert message.startswith("WorkerUnreachable: its worker is not heard of")


@pytest.mark.parametrize(
    ("run", "wanted"),
    [
        (a_run(State.RUNNING, worker="w-1"), "Running: attempt 1 runs on w-1"),
        (a_run(State.SUCCEEDED), "Completed: the task returned"),
        (
            a_run(State.FAILED, failure=Failure(reason="TaskError", message="no rows")),
            "TaskError: no rows",
        ),
        (a_run(State.SKIPPED), "Skipped"),
        (
            a_run(State.JOINED, holder=Holder(run_id="u-9", name="first")),
            "Joined: stands for run first, which holds the lock or is next",
        ),
    ],
    ids=lambda value: str(value.state) if hasattr(value, "state") else "",
)
def test_the_message_is_the_reason_and_the_sentence_of_the_status(run: Any, wanted: str) -> None:
    assert health(shown(standing.of_run(run)))[1] == wanted


def test_the_page_has_the_script_as_it_is_and_a_hook_that_is_valid() -> None:
    [config, hook] = [
        yaml.safe_load(block.text) for block in blocks((FOLDER / "README.md").read_text())
    ]
    assert config["data"] == {f"resource.customizations.health.{GROUP}_{KIND}": SCRIPT}
    [version] = custom_resource_definition()["spec"]["versions"]
    jsonschema_rs.validate(version["schema"]["openAPIV3Schema"]["properties"]["spec"], hook["spec"])
    assert hook["kind"] == KIND
