"""The place of a run in a trace: what is one, what is ignored, and where it travels."""

from __future__ import annotations

from dataclasses import replace

import pytest

from singletrack import traceparent, tracing
from singletrack.adapters.redis_ledger.records import read_run, spec_fields
from singletrack.custom_resource import manifest
from singletrack.lifecycle import State
from singletrack.run import RunSpec
from singletrack.specification import of_message, read_spec, to_header, write_spec

PLACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def a_run(place: str = PLACE) -> RunSpec:
    return RunSpec(run_id="1", task="add", lock="default/k", traceparent=place)


def test_one_is_taken_as_it_is() -> None:
    assert traceparent.checked(PLACE) == PLACE


@pytest.mark.parametrize(
    "text",
    [
        None,
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "",
        "nonsense",
        PLACE.upper(),
        PLACE + "-more",
        PLACE + "\n",
        "ff" + PLACE[2:],
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    ],
)
def test_what_is_none_is_ignored(text: object) -> None:
    assert traceparent.checked(text) == ""


@pytest.mark.parametrize(
    ("place", "trace_id"),
    [(PLACE, "4bf92f3577b34da6a3ce929d0e0e4736"), (PLACE[:-2] + "00", ""), ("", "")],
    ids=["sampled", "not sampled", "none"],
)
def test_a_trace_that_nobody_records_has_no_name(place: str, trace_id: str) -> None:
    assert traceparent.trace_id(place) == trace_id


def test_it_is_not_part_of_what_a_run_does() -> None:
    assert a_run().fingerprint == a_run("").fingerprint


def test_a_record_keeps_it() -> None:
    flat = spec_fields(a_run())
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    own = {"lock": "default/k", "policy": "Queue", "submitted_at": "0", "revision": "1"}
    assert read_run("1", {**fields, **own, "state": State.QUEUED}).spec.traceparent == PLACE


def test_a_message_and_an_agent_remember_it() -> None:
    said = {"run_id": "1", "task": "add", "args": (), "kwargs": {}, "queue": "celery"}
    assert of_message(to_header(a_run()), **said).traceparent == PLACE
    assert read_spec(write_spec(a_run())) == a_run()


@pytest.mark.parametrize(("annotation", "place"), [(PLACE, PLACE), ("nonsense", "")])
def test_a_taskrun_says_it_by_an_annotation(annotation: str, place: str) -> None:
    annotations = {"traceparent": annotation, "somebody/else": "x"}
    metadata = {"uid": "1", "name": "a", "namespace": "default", "annotations": annotations}
    found = manifest.read({"metadata": metadata, "spec": {"task": "add"}})
    request = manifest.to_request(found)
    assert request.traceparent == place
    again = manifest.build(request, a_run())["metadata"]["annotations"]
    assert again.get("traceparent", "") == place


@pytest.mark.parametrize(
    ("variables", "asked"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "shop"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/metrics"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "false"}, True),
    ],
)
def test_spans_are_recorded_where_the_variables_want_them(
    variables: dict[str, str], asked: bool
) -> None:
    assert tracing.is_asked_for(variables) is asked


def test_off_a_span_does_nothing_and_names_nothing() -> None:
    with tracing.span("submit add", parent=PLACE, run="1") as span:
        span.say(state="READY")
        span.fail("why")
        assert span.traceparent == tracing.trace_id() == ""
    assert replace(a_run(), traceparent=span.traceparent or PLACE) == a_run()
