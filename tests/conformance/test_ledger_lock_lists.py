"""Which locks and which paused queues there are."""

from __future__ import annotations

from conformance.ledgers import LOCK, LedgerUnderTest

from singletrack import operations as ops
from singletrack.errors import Holder
from singletrack.locks import OnLost


def locks(ledger: LedgerUnderTest, **asked) -> tuple[ops.LockSummary, ...]:
    return ledger.execute(ops.ListLocks(**{"namespace": "default"} | asked))


def keys(ledger: LedgerUnderTest, **asked) -> list[str]:
    return [lock.key for lock in locks(ledger, **asked)]


def test_a_lock_is_listed_while_a_run_is_ready_claimed_or_running(ledger: LedgerUnderTest) -> None:
    assert keys(ledger) == []
    ledger.submit("a")
    assert keys(ledger) == [LOCK]
    grant = ledger.claim("a")
    assert keys(ledger) == [LOCK]
    ledger.begin(grant)
    assert keys(ledger) == [LOCK]
    ledger.finish(grant)
    assert keys(ledger) == []


def test_a_lock_is_listed_with_its_holder_and_how_many_wait(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a", name="monthly")
    ledger.submit("b")
    ledger.submit("c")
    [lock] = locks(ledger)
    assert (lock.holder, lock.token, lock.waiting) == (Holder("a", "monthly"), grant.token, 2)
    assert (lock.suspect, lock.pause) == (False, None)


def test_a_paused_lock_is_listed_whoever_uses_it(ledger: LedgerUnderTest) -> None:
    ledger.execute(ops.PauseLock(lock="default/idle", by="ann", reason="quarter end"))
    ledger.execute(ops.PauseLock(lock="default/wanted", by="ann"))
    ledger.submit("a", lock="default/wanted")
    idle, wanted = locks(ledger)
    assert (idle.key, idle.holder, idle.waiting) == ("default/idle", None, 0)
    assert (idle.pause.by, idle.pause.reason) == ("ann", "quarter end")
    assert (wanted.key, wanted.holder, wanted.waiting) == ("default/wanted", None, 1)


def test_a_lock_whose_holder_is_held_back_by_a_paused_queue_is_listed(
    ledger: LedgerUnderTest,
) -> None:
    ledger.execute(ops.PauseQueue(queue=ledger.queue, by="ann"))
    ledger.submit("a")
    assert [lock.holder for lock in locks(ledger)] == [Holder("a", "")]


def test_a_suspect_lock_says_so(ledger: LedgerUnderTest) -> None:
    ledger.expire(ledger.running("a", on_lost=OnLost.HOLD))
    assert [lock.suspect for lock in locks(ledger)] == [True]


def test_locks_come_by_name_and_in_pages(ledger: LedgerUnderTest) -> None:
    names = ["default/a", "default/b", "default/b/c", "default/z"]
    for name in reversed(names):
        ledger.submit(f"run of {name}", lock=name)
    assert keys(ledger) == names
    assert keys(ledger, limit=2) == names[:2]
    assert keys(ledger, limit=2, after=names[1]) == names[2:]
    assert keys(ledger, after="default/bb") == names[3:]


def test_the_locks_of_another_namespace_are_not_listed(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", lock="default-2/x", namespace="default-2")
    ledger.execute(ops.PauseLock(lock="default-2/y", by="ann"))
    assert keys(ledger) == []
    assert keys(ledger, namespace="default-2") == ["default-2/x", "default-2/y"]


def test_paused_queues_are_listed_with_what_they_hold_back(ledger: LedgerUnderTest) -> None:
    assert ledger.execute(ops.ListPausedQueues()) == ()
    ledger.execute(ops.PauseQueue(queue=ledger.queue, by="ann", reason="upgrade"))
    ledger.execute(ops.PauseQueue(queue="another", by="ann"))
    ledger.submit("a")
    queues = {queue.name: queue for queue in ledger.execute(ops.ListPausedQueues())}
    assert list(queues) == sorted(["another", ledger.queue])
    assert (queues[ledger.queue].parked, queues[ledger.queue].pause.reason) == (1, "upgrade")
