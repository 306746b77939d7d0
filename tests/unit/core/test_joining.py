from datetime import UTC, datetime

import pytest

from singletrack.errors import Holder
from singletrack.joining import joined_id, outcome_of
from singletrack.lifecycle import State
from singletrack.run import Run, RunSpec


def a_run(run_id, state, **fields):
    spec = RunSpec(run_id=run_id, task="report", lock="default/report")
    now = datetime(2026, 11, 25, tzinfo=UTC)
    return Run(spec=spec, state=state, revision=1, submitted_at=now, **fields)


JOINED = a_run("b", State.JOINED, holder=Holder("a", "monthly"))


@pytest.mark.parametrize("state", set(State) - {State.JOINED})
def test_a_run_shows_its_own_outcome(state):
    run = a_run("b", state, holder=Holder("a"))
    assert joined_id(run) is None
    assert outcome_of(run, None) is run


@pytest.mark.parametrize("state", State)
def test_a_joined_run_shows_that_of_the_other_whatever_it_is(state):
    other = a_run("a", state)
    assert joined_id(JOINED) == "a"
    assert outcome_of(JOINED, other) is other


def test_a_joined_run_whose_other_is_forgotten_has_an_end_all_the_same():
    shown = outcome_of(JOINED, None)
    assert shown.run_id == "b"
    assert (shown.state, shown.celery_state) == (State.LOST, "FAILURE")
    assert shown.failure.reason == "RecordForgotten"
    assert "monthly" in shown.failure.message
