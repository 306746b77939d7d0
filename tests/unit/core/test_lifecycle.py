from itertools import product

import pytest

from singletrack.lifecycle import LIVE, OWNING, TERMINAL, TRANSITIONS, VIEWS, State, may_become


def test_every_state_has_a_view():
    assert set(VIEWS) == set(State)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_a_terminal_state_is_final(state):
    assert not any(may_become(state, other) for other in State)


@pytest.mark.parametrize("state", sorted(LIVE))
def test_a_live_state_can_reach_an_end(state):
    reached, frontier = set(), {state}
    while frontier:
        reached |= frontier
        frontier = {n for s in frontier for n in TRANSITIONS.get(s, ())} - reached
    assert reached & TERMINAL


def test_only_terminal_states_have_an_outcome():
    assert {state for state in State if VIEWS[state].outcome} == TERMINAL


def test_code_can_only_have_run_after_claimed():
    before_running = {s for s in State if may_become(s, State.RUNNING)}
    assert before_running == {State.CLAIMED}


def test_a_run_that_was_refused_never_starts():
    refused = {State.REJECTED, State.SKIPPED, State.SUPERSEDED, State.EXPIRED}
    assert not any(may_become(a, b) for a, b in product(refused, OWNING))
