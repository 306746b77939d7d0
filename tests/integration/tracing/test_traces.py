"""Tracing on: one trace for each run over all the parts it passes, whichever child executes it."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import Any

from support.local_platform import Platform
from support.trace_collector import Collector

from singletrack.lifecycle import State

RUNS = 40


def a_place(*, sampled: bool = True) -> tuple[str, str]:
    """A caller's traceparent, and the id of its trace."""
    trace = secrets.token_hex(16)
    return f"00-{trace}-{secrets.token_hex(8)}-{'01' if sampled else '00'}", trace


def names(spans: list[Any]) -> Counter[str]:
    return Counter(span.name for span in spans)


def test_a_run_over_rest_is_one_trace_from_the_caller_to_its_execution(
    platform: Platform, collector: Collector, start_api: Any
) -> None:
    api = start_api(**collector.environment)
    platform.start_worker(**collector.environment)
    place, trace = a_place()
    run_id = api.start_run("add", place, params={"x": 1, "y": 2})
    assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    spans = collector.until_of_run(
        run_id, "POST /v1/namespaces/{ns}/runs", "hand over", "execute add"
    )
    by_name = {span.name: span for span in spans}
    request, submit = by_name["POST /v1/namespaces/{ns}/runs"], by_name["submit add"]
    execution = by_name["execute add"]
    assert {span.trace for span in spans} == {trace}
    assert request.parent == place.split("-")[2]
    assert submit.parent == request.id
    assert by_name["hand over"].parent == execution.parent == submit.id
    assert execution.links == (submit.id,)
    assert {span.service for span in spans} == {"singletrack-api", "singletrack-worker"}
    assert platform.run(run_id).spec.traceparent == f"00-{trace}-{submit.id}-01"
    assert f"trace_id={trace}" in platform.worker_log()
    assert f"trace_id={trace}" in api.log
    assert execution.attributes["singletrack.outcome"] == "succeeded"


def test_no_span_is_lost_when_each_child_executes_three_runs_only(
    platform: Platform, collector: Collector, start_api: Any, python: Any
) -> None:
    api = start_api(**collector.environment)
    platform.start_worker(2, "--max-tasks-per-child", "3", **collector.environment)
    over_rest = [
        api.start_run("add", params={"x": i, "y": 1}, lock={"key": f"k{i}"}) for i in range(RUNS)
    ]
    told = python(f"print(*[add.delay(i, 1).id for i in range({RUNS})])")
    runs = [*over_rest, *told.split()]
    for run_id in runs:
        assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    for run_id in runs:
        spans = collector.until_of_run(run_id, "submit add", "execute add")
        assert names(spans)["execute add"] == names(spans)["submit add"] == 1
    assert len({span.trace for span in collector.spans if span.run}) == len(runs)
    assert platform.worker_log().count("run_finished") == len(runs)
