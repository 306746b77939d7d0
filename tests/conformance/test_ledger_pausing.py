"""Pauses: what runs goes on, nothing new starts, and resuming lets everybody in who would be."""

from __future__ import annotations

import pytest
from conformance.ledgers import LOCK, LedgerUnderTest

from singletrack import operations as ops
from singletrack.errors import Holder
from singletrack.lifecycle import State
from singletrack.operations import Verdict
from singletrack.policies import Policy


def pause(ledger: LedgerUnderTest, reason: str = "") -> bool:
    return ledger.execute(ops.PauseLock(lock=LOCK, by="ann", reason=reason))


def resume(ledger: LedgerUnderTest) -> bool:
    return ledger.execute(ops.ResumeLock(lock=LOCK))


def pause_queue(ledger: LedgerUnderTest, reason: str = "") -> bool:
    return ledger.execute(ops.PauseQueue(queue=ledger.queue, by="ann", reason=reason))


def resume_queue(ledger: LedgerUnderTest) -> bool:
    return ledger.execute(ops.ResumeQueue(queue=ledger.queue))


def queue(ledger: LedgerUnderTest) -> ops.QueueStatus:
    return ledger.execute(ops.GetQueue(queue=ledger.queue))


def gauge(ledger: LedgerUnderTest, kind: str) -> float:
    return ledger.execute(ops.ReadCounters()).get(f"paused|kind={kind}", 0)


def pauses(ledger: LedgerUnderTest) -> tuple[str, ...]:
    """By whom the lock and the queue are paused."""
    found = ledger.execute(ops.GetPauses(lock=LOCK, queue=ledger.queue))
    return tuple(pause.by if pause else "" for pause in (found.lock, found.queue))


def test_both_pauses_that_can_keep_a_run_waiting_are_read_at_once(
    ledger: LedgerUnderTest,
) -> None:
    assert pauses(ledger) == ("", "")
    pause(ledger)
    assert pauses(ledger) == ("ann", "")
    pause_queue(ledger, reason="new workers")
    assert pauses(ledger) == ("ann", "ann")
    found = ledger.execute(ops.GetPauses(lock=LOCK, queue=ledger.queue))
    assert found.queue == queue(ledger).pause
    assert found.lock == ledger.lock().pause
    resume(ledger)
    resume_queue(ledger)
    assert pauses(ledger) == ("", "")


# --- a lock ---------------------------------------------------------------------------------------


def test_a_pause_says_who_why_and_since_when(ledger: LedgerUnderTest) -> None:
    assert ledger.lock().pause is None
    before = ledger.execute(ops.ReadServer()).micros // 1000
    assert pause(ledger, "moving\nhouse \U0001f3e0")
    found = ledger.lock().pause
    assert found is not None
    assert (found.by, found.reason) == ("ann", "moving\nhouse \U0001f3e0")
    assert before <= round(found.since.timestamp() * 1000) <= before + 60_000


def test_pausing_and_resuming_twice_changes_nothing_more(ledger: LedgerUnderTest) -> None:
    assert pause(ledger, "first")
    assert not pause(ledger, "second")
    assert gauge(ledger, "lock") == 1
    found = ledger.lock().pause
    assert found
    assert found.reason == "first"
    assert resume(ledger)
    assert not resume(ledger)
    assert gauge(ledger, "lock") == 0


def test_a_paused_lock_leaves_its_holder_alone_and_takes_nobody_after_it(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.running("a")
    ledger.submit("b")
    pause(ledger)
    assert ledger.finish(grant).verdict is Verdict.OK
    assert ledger.state("a") is State.SUCCEEDED
    assert ledger.state("b") is State.QUEUED
    assert ledger.lock().owner is None
    assert not ledger.execute(ops.Promote(lock=LOCK))
    assert ledger.execute(ops.ListWaitingLocks()) == ()


def test_a_run_that_got_the_lock_before_the_pause_starts(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    pause(ledger)
    grant = ledger.claim("a")
    assert ledger.begin(grant).verdict is Verdict.OK


def test_resuming_lets_the_first_in_line_in_at_once(ledger: LedgerUnderTest) -> None:
    pause(ledger)
    ledger.submit("a", push=True)
    ledger.submit("b", priority=5, push=True)
    assert ledger.messages() == []
    resume(ledger)
    assert ledger.lock().owner == "b"
    assert ledger.lock().waiting == ("a",)
    assert ledger.messages() == ["to b"]


def test_resuming_a_held_lock_starts_nobody_beside_the_holder(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    ledger.submit("b")
    pause(ledger)
    resume(ledger)
    assert ledger.lock().owner == "a"
    assert ledger.state("b") is State.QUEUED


def test_blessing_a_server_ends_no_pause(ledger: LedgerUnderTest) -> None:
    pause(ledger)
    ledger.submit("a")
    ledger.restart()
    ledger.bless()
    assert ledger.state("a") is State.QUEUED
    resume(ledger)
    assert ledger.state("a") is State.READY


def test_another_lock_is_not_paused(ledger: LedgerUnderTest) -> None:
    pause(ledger)
    assert ledger.submit("a", lock="default/other").state is State.READY


def test_the_queue_timeout_goes_on_while_the_lock_is_paused(ledger: LedgerUnderTest) -> None:
    pause(ledger)
    ledger.submit("a", queue_timeout_seconds=0.0)
    assert ledger.execute(ops.ListOverdue()) == ("a",)
    ledger.execute(ops.ExpireWait(run_id="a"))
    assert ledger.state("a") is State.EXPIRED


def test_reject_refuses_a_paused_lock_and_says_so(ledger: LedgerUnderTest) -> None:
    pause(ledger)
    reply = ledger.submit("a", policy=Policy.REJECT)
    failure = ledger.run("a").failure
    assert (reply.state, reply.holder, ledger.run("a").holder) == (State.REJECTED, None, None)
    assert failure
    assert (failure.reason, failure.message) == ("LockPaused", f"lock {LOCK} is paused")


def test_skip_does_not_wait_for_a_pause_to_end(ledger: LedgerUnderTest) -> None:
    pause(ledger)
    reply = ledger.submit("a", policy=Policy.SKIP)
    failure = ledger.run("a").failure
    assert (reply.state, reply.holder) == (State.SKIPPED, None)
    assert failure
    assert failure.message == f"not needed: lock {LOCK} is paused"


def test_join_waits_and_the_next_one_joins_the_one_that_waits(ledger: LedgerUnderTest) -> None:
    pause(ledger)
    assert ledger.submit("a", policy=Policy.JOIN).state is State.QUEUED
    reply = ledger.submit("b", policy=Policy.JOIN)
    assert (reply.state, reply.holder) == (State.JOINED, Holder("a"))


@pytest.mark.parametrize("policy", [Policy.REPLACE, Policy.QUEUE_LATEST])
def test_the_newest_run_waits_alone_where_the_policy_says_so(
    ledger: LedgerUnderTest, policy: Policy
) -> None:
    pause(ledger)
    ledger.submit("a")
    assert ledger.submit("b", policy=policy).state is State.QUEUED
    assert ledger.state("a") is State.SUPERSEDED
    resume(ledger)
    assert ledger.state("b") is State.READY


def test_replace_ends_a_holder_nobody_has_claimed_and_waits_for_the_pause_to_end(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a")
    pause(ledger)
    assert ledger.submit("b", policy=Policy.REPLACE).state is State.QUEUED
    assert ledger.state("a") is State.SUPERSEDED
    assert ledger.lock().owner is None


def test_reject_does_not_wait_for_an_end_after_which_nothing_starts(
    ledger: LedgerUnderTest,
) -> None:
    ledger.running("a")
    ledger.cancel("a")
    pause(ledger)
    assert ledger.submit("b", policy=Policy.REJECT).state is State.REJECTED


def test_a_producers_run_waits_and_is_not_claimed(ledger: LedgerUnderTest) -> None:
    pause(ledger)
    reply = ledger.start_new("a", "n")
    assert (reply.state, reply.grant) == (State.QUEUED, None)


# --- a queue --------------------------------------------------------------------------------------


def test_a_paused_queue_publishes_nothing_until_it_is_resumed(ledger: LedgerUnderTest) -> None:
    assert pause_queue(ledger, "new workers")
    ledger.submit("a", push=True)
    assert ledger.state("a") is State.READY
    assert ledger.messages() == []
    assert ledger.due() == []
    status = queue(ledger)
    assert status.pause
    assert (status.name, status.pause.by, status.pause.reason, status.parked) == (
        ledger.queue,
        "ann",
        "new workers",
        1,
    )
    assert resume_queue(ledger)
    assert ledger.due() == ["a"]
    assert queue(ledger) == ops.QueueStatus(name=ledger.queue)


def test_what_was_on_its_way_before_cannot_be_claimed(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", push=True)
    assert ledger.messages() == ["to a"]
    pause_queue(ledger)
    assert queue(ledger).parked == 1
    for claims in (ops.Claim, ops.Start):
        reply = ledger.execute(claims(run_id="a", nonce="n", worker="w"))
        assert (reply.verdict, reply.state) == (Verdict.DROP, State.READY)
    resume_queue(ledger)
    assert ledger.due() == ["a"]
    ledger.claim("a")


def test_a_dispatcher_that_comes_late_publishes_nothing(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    pause_queue(ledger)
    publications = ledger.run("a").publications
    late = ops.Published(run_id="a", publications=publications, push=True)
    assert not ledger.execute(late)
    assert ledger.messages() == []


def test_what_runs_goes_on_and_its_lock_moves_on(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.submit("b", push=True)
    pause_queue(ledger)
    assert ledger.finish(grant).verdict is Verdict.OK
    assert (ledger.state("b"), ledger.messages()) == (State.READY, [])
    assert queue(ledger).parked == 1


def test_a_claim_that_is_handed_back_is_parked(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a", push=True)
    pause_queue(ledger)
    assert ledger.not_started(grant).state is State.READY
    assert queue(ledger).parked == 1
    assert ledger.due() == []


def test_the_start_deadline_stands_still(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", start_deadline_seconds=0.0)
    assert ledger.execute(ops.ListOverdue()) == ("a",)
    pause_queue(ledger)
    ledger.submit("b", lock="default/other", start_deadline_seconds=0.0)
    assert ledger.execute(ops.ListOverdue()) == ()
    assert ledger.execute(ops.ExpireWait(run_id="a")).verdict is Verdict.DROP
    resume_queue(ledger)
    assert set(ledger.execute(ops.ListOverdue())) == {"a", "b"}


def test_a_parked_run_can_be_cancelled_and_replaced(ledger: LedgerUnderTest) -> None:
    pause_queue(ledger)
    ledger.submit("a")
    ledger.submit("b", lock="default/other")
    assert ledger.cancel("a").state is State.CANCELLED
    assert ledger.submit("c", lock="default/other", policy=Policy.REPLACE).state is State.READY
    assert ledger.state("b") is State.SUPERSEDED
    assert queue(ledger).parked == 1


def test_a_producers_run_is_recorded_and_parked(ledger: LedgerUnderTest) -> None:
    pause_queue(ledger)
    reply = ledger.start_new("a", "n")
    assert (reply.state, reply.grant) == (State.READY, None)
    assert (queue(ledger).parked, ledger.messages()) == (1, [])


def test_another_queue_is_not_paused(ledger: LedgerUnderTest) -> None:
    pause_queue(ledger)
    ledger.submit("a", queue=f"{ledger.queue}-2")
    ledger.claim("a")


def test_pausing_and_resuming_a_queue_twice_changes_nothing_more(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    assert pause_queue(ledger, "first")
    assert not pause_queue(ledger, "second")
    assert gauge(ledger, "queue") == 1
    assert queue(ledger).parked == 1
    assert resume_queue(ledger)
    assert not resume_queue(ledger)
    assert gauge(ledger, "queue") == 0
    assert ledger.due() == ["a"]


def test_blessing_a_server_publishes_nothing_of_a_paused_queue(ledger: LedgerUnderTest) -> None:
    pause_queue(ledger)
    ledger.submit("a")
    ledger.restart()
    ledger.bless()
    assert ledger.due() == []
