"""TaskRuns as the API server shows them: their statuses are what the platform's own code writes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from singletrack.custom_resource import API_VERSION, KIND, manifest, standing, status
from singletrack.custom_resource.standing import Standing
from singletrack.custom_resource.status_fields import DEFAULT_STATUS
from singletrack.lifecycle import NOT_STARTED, TERMINAL, State
from singletrack.run import Run, RunSpec

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)

#: The states in which a record may begin and stay, with no attempt.
_NEVER_STARTED = NOT_STARTED | {State.REJECTED, State.SKIPPED, State.JOINED}


def wish(spec: Mapping[str, Any], prefix: str = "run-", name: str = "") -> dict[str, Any]:
    """The manifest of a TaskRun to create; without a name the server makes one up."""
    metadata = {"name": name} if name else {"generateName": prefix}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": {**spec}}


def a_run(state: State, **fields: Any) -> Run:
    """A record in that state."""
    started = state not in _NEVER_STARTED
    known: dict[str, Any] = {
        "spec": RunSpec(run_id="u-1", task="t", lock="ns/default", name="a", namespace="ns"),
        "state": state,
        "revision": 4,
        "submitted_at": NOW,
        "ready_at": NOW if started else None,
        "started_at": NOW if started else None,
        "attempt": int(started),
        "finished_at": NOW if state in TERMINAL else None,
    }
    return Run(**(known | fields))


def shown(stands: Standing, generation: int = 1) -> dict[str, Any]:
    """A TaskRun whose status the operator has written."""
    resource = unseen(generation)
    return resource | {"status": status.build(manifest.read(resource), stands, NOW)}


def unseen(
    generation: int = 1, status: Mapping[str, Any] | None = DEFAULT_STATUS
) -> dict[str, Any]:
    """A TaskRun as it was created: with the status that its definition gives it."""
    resource: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "uid": "u-1",
            "name": "a",
            "namespace": "ns",
            "generation": generation,
            "creationTimestamp": "2026-10-01T11:59:00Z",
        },
        "spec": {"task": "t"},
    }
    return resource if status is None else resource | {"status": status}


#: Where a TaskRun can stand: each state of a record, and each standing that has none.
STANDINGS: dict[str, Standing] = {
    **{str(state): standing.of_run(a_run(state)) for state in State},
    "task not registered": standing.task_not_registered("t"),
    "task never registered": standing.task_never_registered("t", 300),
    "refused": standing.refused("InvalidParams", "'n' is not known"),
    "never submitted": standing.never_submitted(""),
    "record lost": standing.record_lost(),
    "record rolled back": standing.record_rolled_back(a_run(State.RUNNING)),
}
