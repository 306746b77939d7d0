import re
from itertools import product
from pathlib import Path

import pytest

from singletrack.adapters.redis_ledger.library import source
from singletrack.lifecycle import LIVE, OWNING, TERMINAL, TRANSITIONS, VIEWS, State, may_become

ROOT = Path(__file__).resolve().parents[3]


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


def test_only_a_run_that_owns_its_lock_or_is_new_may_start():
    assert {s for s in State if may_become(s, State.RUNNING)} == {State.READY, State.CLAIMED}
    assert may_become(None, State.RUNNING)


def test_a_run_that_was_refused_never_starts():
    refused = {State.REJECTED, State.SKIPPED, State.SUPERSEDED, State.EXPIRED}
    assert not any(may_become(a, b) for a, b in product(refused, OWNING))


def test_the_diagram_in_the_docs_shows_exactly_the_table():
    text = (ROOT / "docs/explanation/lifecycle.md").read_text()
    arrows = re.findall(r"^    (\S+) --> (\S+?):?(?: .*)?$", text, re.MULTILINE)
    drawn = {(a, b) for a, b in arrows if b != "[*]"}
    table = {(str(a or "[*]"), str(b)) for a, targets in TRANSITIONS.items() for b in targets}
    assert drawn == table
    assert {a for a, b in arrows if b == "[*]"} == set(TERMINAL)


def test_the_library_carries_the_same_table_to_the_server():
    line = next(it for it in source().splitlines() if it.startswith("local TRANSITIONS"))
    for state, targets in TRANSITIONS.items():
        inner = ", ".join(f"['{target}'] = true" for target in sorted(targets))
        assert f"['{state or ''}'] = {{{inner}}}" in line
