"""What a run looks like over REST, held to the models that OpenAPI shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from singletrack.errors import Holder
from singletrack.exits import Exit
from singletrack.lifecycle import State
from singletrack.run import Cancellation, Failure, Progress, Run
from singletrack_api import views
from singletrack_api.schemas import RunSummary, RunView

MakeRun = Callable[..., Run]

FAILURE = Failure(
    reason="TaskError", message="no", error_type="builtins.ValueError", traceback="Traceback…"
)


@pytest.fixture
def full_run(make_run: MakeRun) -> Run:
    return make_run(
        State.FAILED,
        {"kwargs": {"a": [1]}, "args": (1, "x"), "name": "nightly", "timeout_seconds": 5.0}
        | {"soft_timeout_seconds": 4.0},
        attempt=1,
        token=7,
        worker="w1",
        cancellation=Cancellation(by="rest", reason="enough", grace_seconds=2),
        progress=Progress(current=3, total=10, message="loading"),
        holder=Holder(run_id="r0", name="other"),
        failure=FAILURE,
        started_at=datetime(2026, 11, 24, 2, 0, 1, 500_000, tzinfo=UTC),
        finished_at=datetime(2026, 11, 24, 2, 0, 2, tzinfo=UTC),
    )


@pytest.mark.parametrize("state", State)
def test_every_view_fits_its_model(make_run: MakeRun, full_run: Run, state: State) -> None:
    for run in (make_run(state), full_run):
        RunView.model_validate_json(json.dumps(views.run_view(run)))
        RunSummary.model_validate_json(json.dumps(views.run_summary(run)))
        assert set(views.run_view(run)) == {
            field.alias for field in RunView.model_fields.values()
        }, "no field of the model is missing"


@pytest.mark.parametrize(
    ("ended", "code", "signal"),
    [(None, None, ""), (Exit(code=0), 0, ""), (Exit(signal="SIGKILL"), None, "SIGKILL")],
)
def test_how_the_process_ended_is_shown_apart_from_the_words(
    make_run: MakeRun, ended: Exit | None, code: int | None, signal: str
) -> None:
    failure = Failure(reason="WorkerLost", message="gone", exit=ended)
    error = views.run_summary(make_run(State.LOST, failure=failure))["error"]
    assert (error["exitCode"], error["signal"]) == (code, signal)


def test_times_are_in_utc_with_milliseconds(full_run: Run) -> None:
    view = views.run_view(full_run)
    assert view["startTime"] == "2026-11-24T02:00:01.500Z"
    assert view["readyTime"] is None


@pytest.mark.parametrize(
    ("state", "fields", "expected"),
    [
        (State.SUCCEEDED, {"result": '{"a": 1.50}'}, '{"a": 1.50}'),
        (State.SUCCEEDED, {"result": None}, None),
        (State.RUNNING, {}, None),
        (State.FAILED, {"failure": FAILURE}, '"Traceback\\u2026"'),
        (State.LOST, {"failure": Failure(reason="WorkerLost", message="gone")}, '"gone"'),
        (State.CANCELLED, {}, None),
        (State.CANCELLED, {"failure": Failure(reason="Cancelled")}, None),
    ],
)
def test_celery_s_result_is_the_value_or_the_traceback(
    make_run: MakeRun, state: State, fields: dict[str, object], expected: str | None
) -> None:
    assert views.celery_result(make_run(state, **fields)) == expected


def test_the_result_is_put_in_as_it_is() -> None:
    assert views.celery_view('"', "SUCCESS", "[1.0]") == (
        '{"id": "\\"", "status": "SUCCESS", "result": [1.0]}'
    )
    assert json.loads(views.celery_view("x", "PENDING", None))["result"] is None


def test_a_deep_result_is_no_trouble() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert deep in views.celery_view("x", "SUCCESS", deep)
