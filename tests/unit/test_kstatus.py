"""What kstatus makes of a TaskRun: Flux, kpt and others follow any kind of resource by its rules.

They are few (`pkg/kstatus` in sigs.k8s.io/cli-utils). A resource that is being deleted is
Terminating. One whose `observedGeneration` is not its generation is InProgress. Then the first
of the conditions Reconciling and Stalled that is True makes it InProgress or Failed. Then Ready
counts, if there is one, and whatever is left is Current.
"""

from __future__ import annotations

from typing import Any

import pytest
from support.taskruns import NOW, STANDINGS, a_run, shown, unseen

from singletrack.custom_resource import manifest, standing, status
from singletrack.custom_resource.definition import custom_resource_definition
from singletrack.lifecycle import TERMINAL, Phase, State
from singletrack.operations import Pause
from singletrack.run import Cancellation, Failure

_BY_CONDITION = {"Reconciling": "InProgress", "Stalled": "Failed"}
_BY_READY = {"True": "Current", "False": "InProgress", "Unknown": "InProgress"}

REACHED = {Phase.SUCCEEDED, Phase.JOINED}


def kstatus(resource: dict[str, Any]) -> str:
    """The rules, in their order."""
    metadata, shows = resource["metadata"], resource.get("status", {})
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if shows.get("observedGeneration", metadata["generation"]) != metadata["generation"]:
        return "InProgress"
    conditions = shows.get("conditions", [])
    for each in conditions:
        if each["type"] in _BY_CONDITION and each["status"] == "True":
            return _BY_CONDITION[each["type"]]
    ready = [each["status"] for each in conditions if each["type"] == "Ready"]
    return _BY_READY[ready[0]] if ready else "Current"


def wanted(phase: Phase) -> str:
    if phase in standing.LIVE_PHASES:
        return "InProgress"
    return "Current" if phase in REACHED else "Failed"


@pytest.mark.parametrize("name", STANDINGS)
def test_a_run_is_in_progress_until_its_end_which_is_current_or_failed(name: str) -> None:
    assert kstatus(shown(STANDINGS[name])) == wanted(STANDINGS[name].phase)


def test_every_phase_is_among_those_that_were_looked_at() -> None:
    assert {stands.phase for stands in STANDINGS.values()} == set(Phase)


def test_a_taskrun_that_the_operator_has_not_seen_is_in_progress() -> None:
    [version] = custom_resource_definition()["spec"]["versions"]
    default = version["schema"]["openAPIV3Schema"]["properties"]["status"]["default"]
    assert kstatus(unseen(status=default)) == "InProgress"


@pytest.mark.parametrize("name", STANDINGS)
def test_a_status_of_an_older_spec_is_in_progress_whatever_it_says(name: str) -> None:
    resource = shown(STANDINGS[name])
    resource["metadata"]["generation"] += 1
    assert kstatus(resource) == "InProgress"


def test_no_end_is_of_an_older_spec_for_ever() -> None:
    """Once a run has ended its spec cannot change, so its generation stays the one seen."""
    [version] = custom_resource_definition()["spec"]["versions"]
    rules = version["schema"]["openAPIV3Schema"]["x-kubernetes-validations"]
    after_the_end = "!has(oldSelf.status) || !has(oldSelf.status.completionTime) || "
    assert f"{after_the_end}self.spec == oldSelf.spec" in [rule["rule"] for rule in rules]


@pytest.mark.parametrize("name", STANDINGS)
def test_a_taskrun_that_a_finalizer_keeps_is_terminating(name: str) -> None:
    resource = shown(STANDINGS[name])
    resource["metadata"]["deletionTimestamp"] = "2026-10-01T12:00:00Z"
    assert kstatus(resource) == "Terminating"


@pytest.mark.parametrize(
    "stands",
    [
        standing.of_run(a_run(State.RUNNING, suspect_at=NOW)),
        standing.of_run(a_run(State.RUNNING, cancellation=Cancellation(by="ann"))),
        standing.of_run(a_run(State.QUEUED), Pause(by="ann", reason="", since=NOW)),
        standing.of_run(a_run(State.READY), Pause(by="ann", reason="", since=NOW)),
        standing.of_run(
            a_run(State.READY, attempt=1, failure=Failure(reason="TaskError", message="no rows"))
        ),
    ],
    ids=["suspect", "told to stop", "lock paused", "queue paused", "between two attempts"],
)
def test_trouble_on_the_way_is_no_failure_yet(stands: standing.Standing) -> None:
    assert kstatus(shown(stands)) == "InProgress"


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_an_end_leaves_nothing_of_what_was_shown_on_the_way(state: State) -> None:
    """The conditions of a TaskRun are replaced, so no Reconciling outlives its run."""
    running = shown(standing.of_run(a_run(State.RUNNING)))
    stands = standing.of_run(a_run(state))
    ended = running | {"status": status.build(manifest.read(running), stands, NOW)}
    assert kstatus(ended) == wanted(stands.phase)
