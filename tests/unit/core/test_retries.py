import pytest

from singletrack.lifecycle import State
from singletrack.retries import Retry, RetryCause, backoff_ms, cause_of


def test_the_pause_doubles_up_to_its_limit_and_is_drawn_below_it():
    retry = Retry(limit=9, initial_seconds=1, max_seconds=8)
    ceilings = {1: 1000, 2: 2000, 3: 4000, 4: 8000, 5: 8000, 100: 8000}
    for attempt, ceiling in ceilings.items():
        pauses = [backoff_ms(retry, f"run {number}", attempt) for number in range(400)]
        assert 0 <= min(pauses) < ceiling * 0.05
        assert ceiling * 0.95 < max(pauses) < ceiling


def test_the_pause_of_an_attempt_is_always_the_same_and_not_that_of_the_next():
    retry = Retry(limit=3, initial_seconds=60, max_seconds=60)
    assert backoff_ms(retry, "a", 1) == backoff_ms(retry, "a", 1)
    assert len({backoff_ms(retry, run, n) for run in "abc" for n in (1, 2, 3)}) == 9


def test_only_what_failed_has_a_cause():
    causes = {state: cause_of(state, "TaskError") for state in State}
    assert {state: cause for state, cause in causes.items() if cause} == {
        State.FAILED: RetryCause.ERROR,
        State.TIMED_OUT: RetryCause.TIMEOUT,
        State.LOST: RetryCause.WORKER_LOST,
    }
    assert cause_of(State.FAILED, "Interrupted") is RetryCause.INTERRUPTED


def test_a_retry_is_read_from_plain_values_and_has_defaults():
    assert Retry.read({"limit": 2, "causes": ["Timeout"]}) == Retry(
        limit=2, causes=(RetryCause.TIMEOUT,)
    )
    assert Retry.read({}) == Retry()


@pytest.mark.parametrize(
    "fields",
    [
        {"limit": -1},
        {"limit": 101},
        {"initial_seconds": -1},
        {"max_seconds": 1e9},
        {"causes": ["x"]},
    ],
)
def test_what_a_retry_cannot_be_is_refused(fields):
    with pytest.raises(ValueError, match=r"retr|valid"):
        Retry.read(fields)
