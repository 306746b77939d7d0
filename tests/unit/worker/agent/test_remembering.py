"""What the agent remembers of runs that have ended, and for how long."""

import pytest

from singletrack.operations import Grant
from singletrack_worker.agent.remembering import Memory


def grant(run_id):
    return Grant(run_id=run_id, nonce=run_id, token=1, lock="l", attempt=1)


@pytest.fixture
def memory():
    return Memory(seconds=90, most_characters=10)


def told(memory):
    """Everything it has to tell, in order."""
    found = []
    while memory.untold:
        found.append(memory.untold.grant.run_id)
        memory.told()
    return found


def test_it_tells_what_it_remembers_in_the_order_of_the_ends(memory):
    memory.keep(grant("a"), "s", "o", now=0)
    memory.keep(grant("b"), "s", "o", now=1)
    assert told(memory) == []
    memory.tell_everything(now=2)
    assert told(memory) == ["a", "b"]


def test_it_forgets_after_its_time(memory):
    memory.keep(grant("a"), "s", "o", now=0)
    memory.keep(grant("b"), "s", "o", now=50)
    memory.tell_everything(now=90)
    assert told(memory) == ["b"]
    memory.keep(grant("c"), "s", "o", now=90)
    assert len(memory) == 2


def test_it_forgets_the_oldest_when_it_is_full(memory):
    for name in "abcdef":
        memory.keep(grant(name), "s", "o", now=0)
    memory.tell_everything(now=0)
    assert told(memory) == ["b", "c", "d", "e", "f"]


@pytest.mark.parametrize(("spec", "outcome"), [("", "o"), ("s", "")])
def test_what_is_not_fully_known_is_not_kept(memory, spec, outcome):
    memory.keep(grant("a"), spec, outcome, now=0)
    assert len(memory) == 0


def test_while_it_tells_it_tells_new_ends_too_and_falls_silent_at_the_blessing(memory):
    memory.tell_everything(now=0)
    memory.keep(grant("a"), "s", "o", now=0)
    assert memory.untold
    memory.be_quiet()
    assert memory.untold is None
    memory.keep(grant("b"), "s", "o", now=0)
    assert memory.untold is None
