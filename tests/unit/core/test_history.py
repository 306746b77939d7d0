"""The checker of histories: silent where all is right, and loud on each planted fault.

A checker that has never failed proves nothing. Every history here is told by a `Story`, which knows
how runs go when all is well; a test then damages one thing, and exactly that must be found.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singletrack.lifecycle import State
from singletrack.testing.history import (
    FinalRecord,
    History,
    Kind,
    Limits,
    LockState,
    Observation,
    Violation,
    check,
    main,
)
from singletrack.testing.task_log import Event, Mark, TaskLog

MS = 1_000_000
TICK = 20 * MS


class Story:
    """Runs that go as promised, one after the other on each lock."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.records: list[FinalRecord] = []
        self.observations: list[Observation] = []
        self.locks: dict[str, str | None] | None = {}
        self.token = 0
        self.now: dict[str, int] = {}

    def history(self) -> History:
        locks = [LockState(key=key, owner=run) for key, run in (self.locks or {}).items()]
        return History(
            events=self.events,
            records=self.records,
            observations=self.observations,
            locks=None if self.locks is None else locks,
        )

    def kinds(self, **limits: Any) -> set[str]:
        return {str(kind) for kind in check(self.history(), Limits(**limits)).kinds}

    # How runs go.

    def starts(self, run: str, lock: str = "a", *, ticks: int = 3, attempt: int = 1) -> None:
        """The code begins, and lives for some ticks."""
        self.token += 1
        for mark in [Mark.BEGIN, *[Mark.ALIVE] * ticks]:
            event = Event(
                event=mark,
                run=run,
                lock=lock,
                token=self.token,
                attempt=attempt,
                pid=100 + self.token,
                boottime_ns=self.passes(lock),
            )
            self.events.append(event)

    def ends(self, run: str) -> None:
        """The code returns or raises. A run that does not end was killed."""
        last = self.lines_of(run)[-1]
        self.events.append(replace(last, event=Mark.END, boottime_ns=self.passes(last.lock)))

    def is_recorded(self, run: str, state: State, lock: str = "a", **facts: Any) -> None:
        self.passes(lock)
        attempts = max((event.attempt for event in self.lines_of(run)), default=0)
        facts = {"token": self.token, "attempts": attempts, **facts}
        self.records.append(FinalRecord(run=run, lock=lock, state=state, **facts))
        if self.locks is not None:
            self.locks[lock] = None

    def is_seen(self, run: str, *states: State, by: str = "api", first_revision: int = 1) -> None:
        for revision, state in enumerate(states, start=first_revision):
            order = len(self.observations)
            self.observations.append(
                Observation(observer=by, run=run, state=state, order=order, revision=revision)
            )

    def passes(self, lock: str) -> int:
        self.now[lock] = self.now.get(lock, 1000 * MS) + TICK
        return self.now[lock]

    # What can be damaged.

    def lines_of(self, run: str) -> list[Event]:
        return [event for event in self.events if event.run == run]

    def change_record(self, run: str, **changes: Any) -> None:
        self.records = [
            replace(record, **changes) if record.run == run else record for record in self.records
        ]

    def change_lines(self, run: str, **changes: Any) -> None:
        self.events = [
            replace(event, **changes) if event.run == run else event for event in self.events
        ]

    def add_line(self, run: str, mark: Mark, at: int, **changes: Any) -> None:
        self.events.append(replace(self.lines_of(run)[-1], event=mark, boottime_ns=at, **changes))

    def own(self, lock: str, run: str) -> None:
        assert self.locks is not None
        self.locks[lock] = run


def clean_story() -> Story:
    """One run of each fate: `killed` has token 3, `late` comes right after it with token 4."""
    story = Story()
    story.starts("good")
    story.ends("good")
    story.is_recorded("good", State.SUCCEEDED, finished_boottime_ns=story.now["a"])
    story.is_seen("good", State.QUEUED, State.RUNNING, State.SUCCEEDED, State.SUCCEEDED)
    story.is_seen("good", State.READY, State.SUCCEEDED, by="kubernetes")
    story.starts("raised")
    story.ends("raised")
    story.is_recorded("raised", State.FAILED)
    story.starts("killed")
    story.is_recorded("killed", State.LOST)
    story.starts("late", ticks=5)
    story.ends("late")
    story.is_recorded("late", State.LOST)  # its code came to its end, its agent did not
    story.starts("elsewhere", "b", ticks=9)
    story.ends("elsewhere")
    story.is_recorded("elsewhere", State.SUCCEEDED, "b")
    story.starts("stopped")
    story.is_recorded("stopped", State.CANCELLED)
    story.is_recorded("killed before its first line", State.LOST, attempts=1)
    story.is_recorded("silent", State.SUCCEEDED, attempts=1, logged=False)
    story.records.append(FinalRecord(run="refused", lock="a", state=None, accepted=False))
    for state in ("REJECTED", "SKIPPED", "JOINED", "SUPERSEDED", "EXPIRED", "CANCELLED", "FAILED"):
        story.is_recorded(f"never started and {state}", State(state))
    return story


def test_a_clean_history_passes() -> None:
    verdict = check(clean_story().history())
    assert verdict.violations == ()
    assert verdict.holds
    assert str(verdict).startswith("The promise holds: 16 runs (")
    numbers = verdict.statistics
    assert (numbers.starts, numbers.unfinished_starts, numbers.locks) == (6, 2, 2)
    assert (numbers.states["SUCCEEDED"], numbers.largest_overlap_ms) == (3, 0.0)


def test_an_empty_history_passes() -> None:
    assert check(History()).holds


def test_the_order_of_the_lines_in_the_log_does_not_matter() -> None:
    story = clean_story()
    story.events.reverse()
    assert story.kinds() == set()


# One planted fault after the other. A `plant` names the one kind of violation that must be found,
# and words that must be in its sentence.

PLANTED: list[Any] = []


def plant(kind: Kind, words: str) -> Callable[[Callable[[Story], None]], None]:
    def keep(damage: Callable[[Story], None]) -> None:
        PLANTED.append(pytest.param(damage, kind, words, id=damage.__name__))

    return keep


@plant(Kind.OVERLAP, "5.0 ms together")
def a_killed_process_goes_on_after_the_next_has_begun(story: Story) -> None:
    story.add_line("killed", Mark.ALIVE, story.lines_of("late")[0].boottime_ns + 5 * MS)


@plant(Kind.OVERLAP, "0.0 ms together")
def a_start_of_one_line_falls_into_another(story: Story) -> None:
    within = story.lines_of("elsewhere")[3].boottime_ns + 1
    story.starts("short", "b", ticks=0)
    story.is_recorded("short", State.LOST, "b")
    story.change_lines("short", boottime_ns=within)


@plant(Kind.OVERLAP, "on lock a, stopped (attempt 1, token 6, pid 106) began at ")
def a_child_process_survives_its_run(story: Story) -> None:
    for at in range(story.lines_of("late")[1].boottime_ns, story.now["a"], TICK):
        story.add_line("late", Mark.ALIVE, at, pid=777)
    story.starts("far away", "c")
    story.is_recorded("far away", State.LOST, "c")


@plant(Kind.SECOND_START, "attempt 1 of killed began 2 times: pid 103 at ")
def one_attempt_begins_in_two_processes(story: Story) -> None:
    story.add_line("killed", Mark.BEGIN, story.lines_of("killed")[-1].boottime_ns + 1, pid=777)


@plant(Kind.SECOND_START, "attempt 1 of killed began 2 times")
def one_attempt_begins_twice_in_one_process(story: Story) -> None:
    story.add_line("killed", Mark.BEGIN, story.lines_of("killed")[1].boottime_ns + 1)


@plant(Kind.SECOND_START, "attempt 1 of killed began 2 times")
def a_lost_run_starts_again_with_a_new_token(story: Story) -> None:
    story.starts("killed")
    story.change_record("killed", token=story.token)


@plant(Kind.SECOND_START, "killed had 2 attempts; allowed are 1")
def a_run_has_more_attempts_than_allowed(story: Story) -> None:
    story.starts("killed", attempt=2)
    story.change_record("killed", token=story.token, attempts=2)


@plant(Kind.SECOND_START, "killed before its first line had 2 attempts; allowed are 1")
def a_second_attempt_is_in_the_record_alone(story: Story) -> None:
    story.change_record("killed before its first line", attempts=2)


@plant(Kind.LOST, "gone has no record (accepted, 0 starts, seen 0 times)")
def an_accepted_run_has_no_record(story: Story) -> None:
    story.records.append(FinalRecord(run="gone", lock="a", state=None, accepted=True))


@plant(Kind.LOST, "killed has no record (not known to be accepted, 1 starts, seen 0 times)")
def a_run_that_executed_has_no_record(story: Story) -> None:
    story.records = [record for record in story.records if record.run != "killed"]


@plant(Kind.LOST, "vanished has no record (not known to be accepted, 0 starts, seen 1 times)")
def a_run_that_was_seen_has_no_record(story: Story) -> None:
    story.is_seen("vanished", State.QUEUED)


@plant(Kind.LOST, "killed has no record (not known to be accepted, 1 starts, seen 0 times)")
def a_refused_run_executes(story: Story) -> None:
    story.change_record("killed", state=None, accepted=False)


@plant(Kind.LOST, "killed is still RUNNING at the end")
def an_accepted_run_never_ends(story: Story) -> None:
    story.change_record("killed", state=State.RUNNING)
    story.own("a", "killed")


@plant(Kind.LOST, "silent is still READY at the end")
def a_run_is_live_and_nobody_has_looked_at_the_locks(story: Story) -> None:
    story.change_record("silent", state=State.READY)
    story.locks = None


@plant(Kind.STUCK, "lock a is owned by good, which is SUCCEEDED")
def a_finished_run_keeps_its_lock(story: Story) -> None:
    story.own("a", "good")


@plant(Kind.STUCK, "lock c is owned by nobody-knows, which is unknown")
def an_unknown_run_has_a_lock(story: Story) -> None:
    story.own("c", "nobody-knows")


@plant(Kind.STUCK, "silent is still CLAIMED at the end, but lock a is owned by nobody")
def a_claimed_run_does_not_own_its_lock(story: Story) -> None:
    story.change_record("silent", state=State.CLAIMED)


@plant(Kind.STUCK, "silent is still QUEUED at the end, but lock a is owned by nobody")
def a_run_waits_for_a_free_lock(story: Story) -> None:
    story.change_record("silent", state=State.QUEUED)


@plant(Kind.STUCK, "raised is still RUNNING at the end, but none of its 1 starts is still")
def a_run_whose_code_has_ended_stays_running(story: Story) -> None:
    story.change_record("raised", state=State.RUNNING)
    story.own("a", "raised")


@plant(Kind.TERMINAL_FLIP, "good: api saw SUCCEEDED (revision 4), then RUNNING (revision 5)")
def a_finished_run_lives_again(story: Story) -> None:
    story.is_seen("good", State.RUNNING, first_revision=5)


@plant(Kind.TERMINAL_FLIP, "good: kubernetes saw SUCCEEDED (revision 2), then FAILED (revision 3)")
def one_end_becomes_another(story: Story) -> None:
    story.is_seen("good", State.FAILED, by="kubernetes", first_revision=3)


@plant(Kind.TERMINAL_FLIP, "killed: api saw RUNNING (revision 7), then RUNNING (revision 6)")
def a_revision_goes_back(story: Story) -> None:
    story.is_seen("killed", State.RUNNING, first_revision=7)
    story.is_seen("killed", State.RUNNING, first_revision=6)


@plant(Kind.TERMINAL_FLIP, "killed: api saw READY (revision 7), then RUNNING (revision 7)")
def one_revision_has_two_states(story: Story) -> None:
    story.is_seen("killed", State.READY, first_revision=7)
    story.is_seen("killed", State.RUNNING, first_revision=7)


@plant(Kind.TERMINAL_FLIP, "killed: api saw FAILED, the record says LOST")
def an_observer_saw_another_end_than_the_record(story: Story) -> None:
    story.is_seen("killed", State.FAILED)


@plant(Kind.TERMINAL_FLIP, "saw LOST")
def two_observers_saw_two_ends(story: Story) -> None:
    story.is_seen("killed", State.FAILED)
    story.is_seen("killed", State.LOST, by="kubernetes")


@plant(Kind.TOKEN_ORDER, "whose token is not lower")
def two_tokens_change_places(story: Story) -> None:
    for run, token in (("killed", 4), ("late", 3)):
        story.change_lines(run, token=token)
        story.change_record(run, token=token)


@plant(
    Kind.TOKEN_ORDER, "late (attempt 1, token 3, pid 104) began after killed (attempt 1, token 3"
)
def two_runs_have_one_token(story: Story) -> None:
    story.change_lines("late", token=3)


@plant(Kind.FORBIDDEN_START, "began, although the run ended REJECTED, 0 attempts counted")
def a_rejected_run_starts(story: Story) -> None:
    story.change_record("killed", state=State.REJECTED, attempts=0)


@plant(Kind.FORBIDDEN_START, "began, although the run ended SKIPPED")
def a_skipped_run_starts(story: Story) -> None:
    story.change_record("killed", state=State.SKIPPED, attempts=None)


@plant(Kind.FORBIDDEN_START, "began, although the run ended JOINED")
def a_joined_run_starts(story: Story) -> None:
    story.change_record("killed", state=State.JOINED)


@plant(Kind.FORBIDDEN_START, "began, although the run ended EXPIRED, 1 attempts counted")
def an_expired_run_starts(story: Story) -> None:
    story.change_record("killed", state=State.EXPIRED)


@plant(Kind.FORBIDDEN_START, "began, although the run ended SUPERSEDED, 0 attempts counted")
def a_superseded_run_starts(story: Story) -> None:
    story.change_record("killed", state=State.SUPERSEDED, attempts=0)


@plant(Kind.FORBIDDEN_START, "began, although the run ended CANCELLED, 0 attempts counted")
def a_run_cancelled_before_it_began_starts(story: Story) -> None:
    story.change_record("killed", state=State.CANCELLED, attempts=0)


@plant(Kind.FORBIDDEN_START, "after its end was recorded at ")
def a_finished_run_starts(story: Story) -> None:
    begin = story.lines_of("killed")[0].boottime_ns
    story.change_record("killed", finished_boottime_ns=begin - 1)


@plant(Kind.OUTLIVED, "was executing 20.0 ms after its end was recorded")
def a_process_goes_on_after_the_end_of_its_run(story: Story) -> None:
    story.change_record("killed", finished_boottime_ns=story.lines_of("killed")[-2].boottime_ns)


@plant(Kind.WRONG_OUTCOME, "killed is SUCCEEDED, but its last attempt (1) never wrote its end")
def a_killed_run_succeeds(story: Story) -> None:
    story.change_record("killed", state=State.SUCCEEDED)


@plant(Kind.WRONG_OUTCOME, "silent is SUCCEEDED, but its last attempt (0) never wrote its end")
def a_run_succeeds_that_never_began(story: Story) -> None:
    story.change_record("silent", logged=True)


@plant(Kind.WRONG_OUTCOME, "executed on lock b, not on a")
def a_run_executes_on_another_lock(story: Story) -> None:
    story.change_record("elsewhere", lock="a")


@plant(Kind.WRONG_OUTCOME, "attempt 1 began and 0 attempts are recorded")
def a_record_has_forgotten_an_attempt(story: Story) -> None:
    story.change_record("killed", attempts=0)


@plant(Kind.WRONG_OUTCOME, "token 3 was used and 2 is recorded")
def a_record_has_forgotten_a_token(story: Story) -> None:
    story.change_record("killed", token=2)


@plant(Kind.BROKEN_LOG, "wrote 4 lines without a begin")
def a_begin_is_missing(story: Story) -> None:
    story.events.remove(story.lines_of("raised")[0])


@pytest.mark.parametrize(("damage", "kind", "words"), PLANTED)
def test_a_planted_fault_is_found_and_nothing_else(
    damage: Callable[[Story], None], kind: Kind, words: str
) -> None:
    story = clean_story()
    damage(story)
    verdict = check(story.history())
    assert verdict.kinds == {kind}, str(verdict)
    assert words in verdict.violations[0].sentence
    assert str(verdict).startswith(f"{kind}: ")


def test_each_kind_of_violation_has_been_planted() -> None:
    assert {param.values[1] for param in PLANTED} == set(Kind)


def test_each_start_that_an_old_process_lives_through_is_an_overlap() -> None:
    story = clean_story()
    story.add_line("raised", Mark.ALIVE, story.now["a"])
    found = check(story.history()).violations
    assert [violation.run for violation in found] == ["killed", "late", "stopped"]


def test_a_begin_at_the_very_moment_of_the_last_line_is_no_overlap() -> None:
    story = clean_story()
    story.add_line("killed", Mark.ALIVE, story.lines_of("late")[0].boottime_ns)
    assert story.kinds() == set()


# What is forgiven, and when.


def frozen_story(silence_ms: int, awake_ms: int) -> Story:
    """A process is silent while its lease lapses and the next one begins, then goes on a while."""
    story = Story()
    story.starts("frozen")
    asleep = story.lines_of("frozen")[-1].boottime_ns
    wakes = asleep + silence_ms * MS
    story.is_recorded("frozen", State.LOST)
    story.now["a"] = wakes - 200 * MS
    story.starts("next", ticks=100)
    story.ends("next")
    story.is_recorded("next", State.SUCCEEDED)
    for at in (wakes, wakes + awake_ms * MS):
        story.add_line("frozen", Mark.ALIVE, at)
    return story


def test_a_frozen_process_may_go_on_for_the_grace_when_it_wakes() -> None:
    story = frozen_story(silence_ms=3000, awake_ms=100)
    assert story.kinds(grace_ms=100) == set()
    numbers = check(story.history(), Limits(grace_ms=100)).statistics
    assert numbers.forgiven_overlaps == 1
    assert numbers.largest_overlap_ms == pytest.approx(280)
    assert story.kinds(grace_ms=99) == {"overlap"}


def test_without_a_grace_a_frozen_process_is_not_forgiven() -> None:
    assert frozen_story(silence_ms=3000, awake_ms=0).kinds() == {"overlap"}


def test_a_process_that_was_not_frozen_is_never_forgiven() -> None:
    story = frozen_story(silence_ms=900, awake_ms=0)
    assert story.kinds(grace_ms=10_000) == {"overlap"}
    assert story.kinds(grace_ms=10_000, frozen_ms=900) == set()


def test_a_process_that_is_frozen_only_later_is_not_forgiven() -> None:
    story = frozen_story(silence_ms=3000, awake_ms=0)
    begins = story.lines_of("next")[0].boottime_ns
    for at in (begins - 1, begins + 1):
        story.add_line("frozen", Mark.ALIVE, at)
    assert story.kinds(grace_ms=250, frozen_ms=100) == {"overlap"}


def test_a_frozen_process_may_outlive_its_record_for_the_grace() -> None:
    story = frozen_story(silence_ms=3000, awake_ms=100)
    next_begins = story.lines_of("next")[0].boottime_ns
    story.change_record("frozen", finished_boottime_ns=next_begins - 1)
    assert story.kinds(grace_ms=100) == set()
    assert story.kinds(grace_ms=99) == {"overlap", "outlived"}


def retried_story(state: State) -> Story:
    story = Story()
    story.starts("retried")
    story.ends("retried")
    story.starts("between")
    story.is_recorded("between", State.LOST)
    story.starts("retried", attempt=2)
    story.is_recorded("retried", state)
    return story


def test_a_retried_run_passes_where_retries_are_allowed() -> None:
    story = retried_story(State.FAILED)
    assert story.kinds(max_attempts=2) == set()
    assert story.kinds() == {"second start"}


def test_a_run_may_expire_between_two_attempts_but_not_after_the_last() -> None:
    story = retried_story(State.EXPIRED)
    assert story.kinds(max_attempts=3) == set()
    assert story.kinds(max_attempts=2) == {"forbidden start"}


def test_only_the_last_attempt_has_to_end_for_a_success() -> None:
    assert retried_story(State.SUCCEEDED).kinds(max_attempts=2) == {"wrong outcome"}


def test_a_run_that_waits_behind_a_stuck_lock_is_stuck_too() -> None:
    story = clean_story()
    story.own("a", "good")
    story.change_record("silent", state=State.QUEUED)
    sentences = [violation.sentence for violation in check(story.history()).violations]
    assert "silent is still QUEUED at the end, but lock a is owned by good, which is SUCCEEDED" in (
        sentences
    )
    assert story.kinds() == {"stuck"}


def test_a_lock_is_stuck_with_a_run_that_holds_another() -> None:
    story = clean_story()
    story.change_record("killed", state=State.RUNNING)
    story.own("a", "killed")
    story.own("b", "killed")
    sentences = [str(violation) for violation in check(story.history()).violations]
    assert sentences == [
        "lost: killed is still RUNNING at the end",
        "stuck: lock b is owned by killed, which is RUNNING, on a",
    ]


def test_a_slow_observer_is_no_flip() -> None:
    story = Story()
    story.is_recorded("r", State.FAILED)
    story.is_seen("r", State.QUEUED, State.FAILED)
    story.is_seen("r", State.QUEUED, by="a slow watch")
    assert story.kinds() == set()


def test_a_state_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="Succeeded"):
        FinalRecord(run="r", lock="a", state="Succeeded")  # type: ignore[arg-type]


def test_two_records_of_one_run_are_refused() -> None:
    story = clean_story()
    story.is_recorded("good", State.FAILED)
    with pytest.raises(ValueError, match="two records of one run"):
        check(story.history())


# Generated histories.

FATES = {
    "succeeds": State.SUCCEEDED,
    "raises": State.FAILED,
    "is killed": State.LOST,
    "is stopped": State.CANCELLED,
    "takes too long": State.TIMED_OUT,
    "dies before its first line": State.LOST,
    "is refused": State.REJECTED,
    "waits too long": State.EXPIRED,
    "is replaced": State.SUPERSEDED,
    "is cancelled while it waits": State.CANCELLED,
}
EXECUTING = [*FATES][:5]


@st.composite
def stories(draw: st.DrawFn, fates: tuple[str, ...] = tuple(FATES), at_least: int = 0) -> Story:
    """A right history: on each lock one run after the other, some killed, some never started."""
    story = Story()
    plan = st.tuples(st.sampled_from("abc"[: draw(st.integers(1, 3))]), st.sampled_from(fates))
    for number, (lock, fate) in enumerate(draw(st.lists(plan, min_size=at_least, max_size=12))):
        run = f"{number} {fate}"
        if fate in EXECUTING:
            story.starts(run, lock, ticks=draw(st.integers(0, 4)))
            if fate in {"succeeds", "raises"} or (fate == "is stopped" and draw(st.booleans())):
                story.ends(run)
        dead = {"attempts": 1} if fate == "dies before its first line" else {}
        if fate in EXECUTING and draw(st.booleans()):
            dead = {"finished_boottime_ns": story.now[lock]}
        story.is_recorded(run, FATES[fate], lock, **dead)
        if draw(st.booleans()):
            story.is_seen(run, *[State.QUEUED] * draw(st.integers(0, 1)), FATES[fate])
    return story


def neighbours(story: Story) -> list[tuple[str, str]]:
    """The pairs of runs of which the second began right after the first on the same lock."""
    begins = [event for event in story.events if event.event is Mark.BEGIN]
    return [
        (first.run, second.run)
        for lock in {event.lock for event in begins}
        for on_lock in [[event for event in begins if event.lock == lock]]
        for first, second in itertools.pairwise(on_lock)
    ]


@st.composite
def stories_with_neighbours(draw: st.DrawFn) -> tuple[Story, str, str]:
    story = draw(stories(tuple(EXECUTING), at_least=4))  # four runs on three locks: two share one
    first, second = draw(st.sampled_from(neighbours(story)))
    return story, first, second


@given(stories(), st.randoms())
def test_a_right_history_is_never_accused(story: Story, random: Any) -> None:
    random.shuffle(story.events)
    verdict = check(story.history())
    assert verdict.holds, str(verdict)


@given(stories_with_neighbours(), st.data())
def test_any_line_after_the_next_begin_is_an_overlap(told: Any, data: st.DataObject) -> None:
    story, first, second = told
    story.change_record(first, finished_boottime_ns=None)
    lines = [event.boottime_ns for event in story.lines_of(second)]
    story.add_line(first, Mark.ALIVE, data.draw(st.integers(lines[0] + 1, lines[-1] + TICK)))
    assert "overlap" in story.kinds()
    assert story.kinds() <= {"overlap"}


@given(stories_with_neighbours(), st.integers(0, 100))
def test_any_token_that_does_not_rise_is_found(told: Any, less: int) -> None:
    story, first, second = told
    highest = story.lines_of(first)[0].token
    story.change_lines(second, token=highest - less)
    assert story.kinds() == {"token order"}


@given(stories_with_neighbours(), st.booleans())
def test_any_doubled_begin_is_found(told: Any, same_process: bool) -> None:
    story, first, _ = told
    story.change_record(first, finished_boottime_ns=None)
    lines = story.lines_of(first)
    pid = lines[0].pid if same_process else 777
    story.add_line(first, Mark.BEGIN, lines[-1].boottime_ns + 1, pid=pid)
    assert story.kinds() == {"second start"}


# The command.


def files_of(story: Story, folder: Path) -> list[str]:
    log, records = folder / "tasks.log", folder / "history.json"
    log.touch()
    for event in story.events:
        TaskLog(log).write(event)
    told = asdict(story.history())
    records.write_text(json.dumps({name: told[name] for name in told if name != "events"}))
    return ["--log", str(log), "--records", str(records)]


def test_the_command_says_that_the_promise_holds(tmp_path: Path, capsys) -> None:
    assert main(files_of(clean_story(), tmp_path)) == 0
    assert capsys.readouterr().out.startswith("The promise holds: 16 runs")


def test_the_command_says_what_is_wrong_and_fails(tmp_path: Path, capsys) -> None:
    story = clean_story()
    story.own("a", "good")
    assert main(files_of(story, tmp_path)) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first == "stuck: lock a is owned by good, which is SUCCEEDED, on a"
    assert last.startswith("1 violation(s) of the promise: 16 runs (")


def test_the_command_takes_limits_and_a_bare_list_of_records(tmp_path: Path) -> None:
    arguments = files_of(retried_story(State.FAILED), tmp_path)
    records = Path(arguments[-1])
    records.write_text(json.dumps(json.loads(records.read_text())["records"]))
    assert main(arguments) == 1
    assert main([*arguments, "--max-attempts", "2"]) == 0


@pytest.mark.parametrize("content", ["", "{", '[{"run": "r"}]', '[{"run": "r", "shape": 1}]', "7"])
def test_the_command_refuses_files_that_are_no_history(
    tmp_path: Path, capsys, content: str
) -> None:
    arguments = files_of(Story(), tmp_path)
    Path(arguments[-1]).write_text(content)
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "error: " in capsys.readouterr().err


def test_the_command_is_a_module(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "singletrack.testing.history"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*command, *files_of(clean_story(), tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "The promise holds" in done.stdout


def test_a_violation_reads_as_a_sentence() -> None:
    violation = Violation(kind=Kind.LOST, sentence="r has no record", run="r")
    assert str(violation) == "lost: r has no record"
