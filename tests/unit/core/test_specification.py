"""A run and its end as text: nothing is lost, nothing is added."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singletrack.exits import Exit
from singletrack.lifecycle import TERMINAL, State
from singletrack.locks import OnLost
from singletrack.policies import Policy
from singletrack.retries import Retry, RetryCause
from singletrack.run import Door, Failure, Outcome, RunSpec
from singletrack.specification import (
    LARGEST,
    of_message,
    read_outcome,
    read_spec,
    to_header,
    write_outcome,
    write_spec,
)

text = st.text(max_size=20)
seconds = st.none() | st.floats(0, 1e6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
retries = st.builds(
    Retry,
    limit=st.integers(0, 100),
    initial_seconds=st.floats(0, 86_400),
    max_seconds=st.floats(0, 86_400),
    causes=st.lists(st.sampled_from(RetryCause), unique=True).map(tuple),
)
specs = st.builds(
    RunSpec,
    run_id=text,
    task=text,
    args=st.lists(json_values, max_size=3).map(tuple),
    kwargs=st.dictionaries(text, json_values, max_size=3),
    namespace=text,
    name=text,
    door=st.sampled_from(Door),
    lock=text,
    policy=st.sampled_from(Policy),
    max_queue=st.none() | st.integers(0, 9),
    priority=st.integers(-1000, 1000),
    queue=text,
    timeout_seconds=seconds,
    soft_timeout_seconds=seconds,
    start_deadline_seconds=st.floats(0, 1e6),
    queue_timeout_seconds=seconds,
    ttl_seconds=st.floats(0, 1e6),
    requested_by=text,
    on_lost=st.sampled_from(OnLost),
    retry=retries,
)
exits = st.builds(Exit, code=st.integers(0, 255)) | st.just(Exit(signal="SIGKILL"))
failures = st.builds(
    Failure, reason=text, message=text, error_type=text, traceback=text, exit=st.none() | exits
)
outcomes = st.builds(
    Outcome,
    state=st.sampled_from(sorted(TERMINAL)),
    result=st.none() | text,
    failure=st.none() | failures,
) | st.builds(
    Outcome,
    state=st.just(State.FAILED),
    failure=failures,
    retry_after_seconds=st.floats(0, 1e6),
)


@given(specs)
def test_a_specification_is_read_as_it_was_written(spec):
    assert read_spec(write_spec(spec)) == spec


@given(specs)
def test_a_message_and_its_header_make_the_whole_run(spec):
    broker = {
        "run_id": spec.run_id,
        "task": spec.task,
        "args": spec.args,
        "kwargs": spec.kwargs,
        "queue": spec.queue,
    }
    assert of_message(to_header(spec), **broker) == spec


@given(outcomes)
def test_an_outcome_is_read_as_it_was_written(outcome):
    assert read_outcome(write_outcome(outcome)) == outcome


def test_what_would_not_fit_into_a_packet_is_not_written():
    large = "x" * LARGEST
    assert write_spec(RunSpec(run_id="a", task="t", lock="l", kwargs={"x": large})) == ""
    assert write_outcome(Outcome(state=sorted(TERMINAL)[0], result=large)) == ""


def test_the_envelope_is_left_out():
    spec = RunSpec(run_id="a", task="t", lock="l", envelope="text")
    assert read_spec(write_spec(spec)).envelope == ""


@pytest.mark.parametrize("wrong", ["", "[]", "1", "null", '{"task": "t"}', '{"nonsense": 1}'])
def test_another_text_is_no_specification(wrong):
    with pytest.raises(ValueError):
        read_spec(wrong)


@pytest.mark.parametrize("wrong", ["", "[]", "1", '["RUNNING", null, null]', '["LOST", 1, [1]]'])
def test_another_text_is_no_outcome(wrong):
    with pytest.raises(ValueError):
        read_outcome(wrong)
