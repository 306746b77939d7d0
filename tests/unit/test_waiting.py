"""`wait_until` is what every other test waits with, so its message and its deadline are tested."""

from __future__ import annotations

import itertools
import time

import pytest
from support.waiting import InVain, wait_until, wait_until_async


def test_it_answers_what_the_predicate_answered() -> None:
    answers = itertools.chain([None, 0, ""], itertools.repeat("ready"))
    assert wait_until(lambda: next(answers)) == "ready"


def test_a_vain_wait_names_its_purpose_the_deadline_and_the_last_answer() -> None:
    with pytest.raises(AssertionError, match=r"0\.02 s .* a second run; last answer: \[\]"):
        wait_until(list, 0.02, "a second run")


def test_without_a_purpose_the_message_quotes_the_predicate() -> None:
    holder = "run-1"

    def lock_is_free() -> bool:
        return False

    with pytest.raises(AssertionError, match=r"lock_is_free\(\)"):
        wait_until(lock_is_free, 0.01)
    with pytest.raises(AssertionError, match='holder == "nobody"'):
        wait_until(lambda: holder == "nobody", 0.01)


def test_an_assertion_in_the_predicate_means_not_yet() -> None:
    numbers = itertools.count()

    def reached_three() -> bool:
        assert next(numbers) >= 3, "not three yet"
        return True

    assert wait_until(reached_three)


def test_the_last_failed_assertion_is_in_the_message() -> None:
    holder = "run-2"

    def lock_is_free() -> bool:
        assert holder is None, f"still held by {holder}"
        return True

    with pytest.raises(AssertionError, match="still held by run-2"):
        wait_until(lock_is_free, 0.01)


def test_any_other_error_passes_through_at_once() -> None:
    no_runs: dict[str, str] = {}
    started = time.monotonic()
    with pytest.raises(KeyError):
        wait_until(lambda: no_runs["run-1"], 30)
    assert time.monotonic() - started < 5


async def test_in_asyncio_the_predicate_may_be_a_coroutine() -> None:
    answers = itertools.chain([False, False], itertools.repeat(True))

    async def ready() -> bool:
        return next(answers)

    assert await wait_until_async(ready)
    with pytest.raises(AssertionError, match="the end of time"):
        await wait_until_async(lambda: False, 0.01, "the end of time")


def test_what_cannot_come_any_more_is_not_waited_for() -> None:
    def process_that_has_ended() -> bool:
        raise InVain("it said why")

    with pytest.raises(InVain, match="it said why"):
        wait_until(process_that_has_ended, timeout=3600)
