"""Tracing on: one trace for each run over all the parts it passes, whichever child executes it."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from support.local_platform import ROOT, SOON, Platform
from support.producers import Prompt
from support.trace_collector import Collector, TakenSpan
from support.waiting import wait_until

from singletrack.lifecycle import State

RUNS = 40
REQUEST = "POST /v1/namespaces/{ns}/runs"

TASKS = {
    "SINGLETRACK_TASKS": "singletrack_worker.demo_tasks,support.traced_tasks",
    "PYTHONPATH": ":".join(str(ROOT / name) for name in ("core", "worker", "tests")),
}


def a_place(*, sampled: bool = True) -> tuple[str, str]:
    """A caller's traceparent, and the id of its trace."""
    trace = secrets.token_hex(16)
    return f"00-{trace}-{secrets.token_hex(8)}-{'01' if sampled else '00'}", trace


def by_name(spans: Iterable[TakenSpan]) -> dict[str, TakenSpan]:
    """The spans of a trace in which no name comes twice."""
    named = {span.name: span for span in spans}
    assert len(named) == len(list(spans))
    return named


def test_a_run_over_rest_is_one_trace_from_the_caller_to_its_execution(
    platform: Platform, collector: Collector, start_api: Any
) -> None:
    api = start_api(**collector.environment)
    platform.start_worker(**collector.environment)
    place, trace = a_place()
    run_id = api.start_run("add", place, params={"x": 1, "y": 2})
    assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    spans = by_name(collector.until_of_run(run_id, REQUEST, "hand over", "execute add"))
    submit, execution = spans["submit add"], spans["execute add"]
    assert {span.trace for span in spans.values()} == {trace}
    assert spans[REQUEST].parent == place.split("-")[2]
    assert submit.parent == spans[REQUEST].id
    assert spans["hand over"].parent == execution.parent == submit.id
    assert execution.links == (submit.id,)
    assert execution.attributes["singletrack.outcome"] == "succeeded"
    services = {span.service for span in spans.values()}
    assert services == {"singletrack-api", "singletrack-worker"}
    for log, event in ((platform.worker_log(), "run_finished"), (api.log, "request")):
        [line] = [line for line in log.splitlines() if event in line and run_id in line]
        assert f"trace_id={trace}" in line
    page = api.http.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert f'# {{trace_id="{trace}"}}' in page.text
    assert page.text.endswith("# EOF\n")


def test_no_span_is_lost_when_each_child_executes_three_runs_only(
    platform: Platform, collector: Collector, start_api: Any, python: Prompt
) -> None:
    # Nothing is sent but by a process that ends.
    environment = {**collector.environment, "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
    api = start_api(**environment)
    worker = platform.start_worker(2, "--max-tasks-per-child", "3", **environment)
    runs = [
        api.start_run("add", params={"x": i, "y": 1}, lock={"key": f"k{i}"}) for i in range(RUNS)
    ]
    runs += python(f"print(*[add.delay(i, 1).id for i in range({RUNS})])").split()
    for run_id in runs:
        assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    worker.terminate()
    assert worker.wait(SOON) == 0
    assert api.terminate() == 0
    for run_id in runs:
        found = Counter(s.name for s in collector.until_of_run(run_id, "submit add", "execute add"))
        assert found["execute add"] == found["submit add"] == 1
    assert len({span.trace for span in collector.spans if span.run}) == len(runs)


def test_a_wait_is_told_when_it_is_over_and_no_span_was_open_meanwhile(
    platform: Platform, collector: Collector, start_api: Any
) -> None:
    api = start_api(**collector.environment)
    platform.start_worker(**collector.environment)
    holder = api.start_run("count_to", params={"to": 8})
    platform.wait_for_begin(holder)
    waiting = api.start_run("count_to", params={"to": 1}, lock={"policy": "Queue"})
    assert platform.wait_for_end(waiting).state is State.SUCCEEDED
    run = platform.run(waiting)
    spans = by_name(collector.until_of_run(waiting, REQUEST, "wait for lock", "execute count_to"))
    wait, execution = spans["wait for lock"], spans["execute count_to"]
    assert run.ready_at
    assert (wait.begun, wait.ended) == tuple(
        round(time.timestamp() * 1000) * 1_000_000 for time in (run.submitted_at, run.ready_at)
    )
    assert spans["submit count_to"].ended < wait.ended <= execution.begun
    assert spans[REQUEST].ended < wait.ended
    assert wait.parent == execution.parent == spans["submit count_to"].id


def test_attempts_of_a_run_are_in_its_one_trace(
    platform: Platform, collector: Collector, start_api: Any
) -> None:
    api = start_api(**collector.environment)
    platform.start_worker(**collector.environment)
    run_id = api.start_run("flaky", params={"failures": 1})
    assert platform.wait_for_end(run_id).state is State.SUCCEEDED

    def both() -> list[TakenSpan] | None:
        found = [s for s in collector.of_run(run_id) if s.name == "execute flaky"]
        return found if len(found) == 2 else None

    first, second = wait_until(both, 20, "two executions")
    assert (first.error, second.error) == ("TaskError", "")
    assert [s.attributes["singletrack.attempt"] for s in (first, second)] == [1, 2]
    assert first.parent == second.parent
    assert "wait for attempt" in {span.name for span in collector.of_run(run_id)}


def test_spans_of_a_task_s_own_are_below_its_execution_and_what_it_sends_is_in_its_trace(
    platform: Platform, collector: Collector, start_api: Any
) -> None:
    api = start_api(**collector.environment)
    platform.start_worker(**TASKS, **collector.environment)
    run_id = api.start_run("sends_another", lock={"key": "sends"})
    assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    spans = by_name(collector.until_of_run(run_id, "execute sends_another", "look up"))
    assert spans["submit look_up"].parent == spans["execute sends_another"].id
    assert spans["look up"].parent == spans["execute look_up"].id


PRODUCERS = {
    "with OpenTelemetry in it": """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        trace.set_tracer_provider(TracerProvider())
        with trace.get_tracer("shop").start_as_current_span("order") as span:
            context = span.get_span_context()
            print(add.delay(1, 2).id, f"{context.trace_id:032x}", f"{context.span_id:016x}")
    """,
    "that says it itself": """
        place = f"00-{'ab' * 16}-{'cd' * 8}-01"
        headers = {"traceparent": place}
        print(add.apply_async((1, 2), headers=headers).id, "ab" * 16, "cd" * 8)
    """,
}


@pytest.mark.parametrize("code", PRODUCERS.values(), ids=PRODUCERS)
def test_a_run_is_in_the_trace_of_a_producer(
    platform: Platform, collector: Collector, python: Prompt, code: str
) -> None:
    platform.start_worker(**collector.environment)
    run_id, trace, parent = python(code).split()
    assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    spans = by_name(collector.until_of_run(run_id, "submit add", "execute add"))
    assert {span.trace for span in spans.values()} == {trace}
    assert spans["submit add"].parent == parent
    assert spans["execute add"].parent == spans["submit add"].id


def test_a_caller_that_does_not_sample_is_followed_and_nothing_is_sent(
    platform: Platform, collector: Collector, start_api: Any
) -> None:
    api = start_api(**collector.environment)
    platform.start_worker(**collector.environment)
    place, trace = a_place(sampled=False)
    quiet = api.start_run("add", place, params={"x": 1, "y": 2})
    platform.wait_for_end(quiet)
    told = api.start_run("add", params={"x": 1, "y": 2})
    platform.wait_for_end(told)
    collector.until_of_run(told, "execute add")
    assert trace not in collector.traces()
    assert platform.run(quiet).spec.traceparent.startswith(f"00-{trace}-")


def test_the_spans_of_earlier_runs_survive_the_death_of_their_child(
    platform: Platform, collector: Collector, start_api: Any
) -> None:
    api = start_api(**collector.environment)
    platform.start_worker(1, **TASKS, **collector.environment)
    before = api.start_run("add", params={"x": 1, "y": 2})
    platform.wait_for_end(before)
    collector.until_of_run(before, "execute add")
    dying = api.start_run("die")
    assert platform.wait_for_end(dying).state is State.LOST
    after = api.start_run("add", params={"x": 1, "y": 2})
    platform.wait_for_end(after)
    collector.until_of_run(after, "submit add", "execute add")
    assert "execute die" not in {span.name for span in collector.of_run(dying)}


def test_runs_go_on_when_nobody_takes_the_spans(
    platform: Platform, collector: Collector, start_api: Any
) -> None:
    collector.refusing = True
    api = start_api(**collector.environment)
    platform.start_worker(1, "--max-tasks-per-child", "1", **collector.environment)
    runs = [api.start_run("add", params={"x": i, "y": 1}, lock={"key": f"k{i}"}) for i in range(3)]
    for run_id in runs:
        assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    assert collector.spans == []
    platform.assert_promise_held()
