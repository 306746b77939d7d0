"""What only the memory ledger can do: take a clock, restart, lose runs on purpose.

That it keeps the rules of the operations is shown by the conformance suite.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from singletrack import operations as ops
from singletrack.adapters.memory import AsyncMemoryLedger, MemoryLedger
from singletrack.adapters.memory.ledger import HANDLERS
from singletrack.lifecycle import State
from singletrack.operations import Operation, Verdict
from singletrack.run import Cancellation, Run, RunSpec

LOCK = "default/reports"
SECOND = 1_000_000


@dataclass
class Clock:
    """A wall clock that moves when it is told to."""

    micros: int = 1_800_000_000 * SECOND

    def __call__(self) -> int:
        return self.micros

    def advance(self, seconds: float) -> None:
        self.micros += round(seconds * SECOND)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> MemoryLedger:
    return MemoryLedger(micros=clock)


def spec(run_id: str, **changes: object) -> RunSpec:
    return RunSpec(**{"run_id": run_id, "task": "report", "lock": LOCK} | changes)


def run_of(ledger: MemoryLedger, run_id: str) -> Run:
    run = ledger.execute(ops.GetRun(run_id=run_id))
    assert run
    return run


def test_every_operation_has_a_handler() -> None:
    known = {getattr(ops, name) for name in ops.__all__}
    operations = {it for it in known if isinstance(it, type) and issubclass(it, Operation)}
    assert operations - {Operation} == set(HANDLERS)


def test_times_are_those_of_the_clock_that_was_passed_in(
    ledger: MemoryLedger, clock: Clock
) -> None:
    ledger.execute(ops.Submit(spec=spec("a")))
    clock.advance(2.5)
    ledger.execute(ops.Claim(run_id="a", nonce="n", worker="w"))
    ledger.execute(ops.Begin(run_id="a", nonce="n"))
    run = run_of(ledger, "a")
    assert run.started_at
    assert (run.started_at - run.submitted_at).total_seconds() == 2.5
    assert ledger.execute(ops.ReadCounters())["run_wait_seconds_sum|task=other"] == 2.5


def test_a_token_is_the_clock_or_one_more_than_the_last(ledger: MemoryLedger, clock: Clock) -> None:
    for run_id in "ab":
        ledger.execute(ops.Submit(spec=spec(run_id, lock=f"default/{run_id}")))
        ledger.execute(ops.Claim(run_id=run_id, nonce=run_id, worker="w"))
    assert [run_of(ledger, i).token for i in "ab"] == [clock.micros, clock.micros + 1]


def test_waiting_is_over_when_the_clock_says_so(ledger: MemoryLedger, clock: Clock) -> None:
    ledger.execute(ops.Submit(spec=spec("a", start_deadline_seconds=10.0)))
    ledger.execute(ops.Submit(spec=spec("b", queue_timeout_seconds=20.0)))
    clock.advance(9.999)
    assert ledger.execute(ops.ListOverdue()) == ()
    clock.advance(0.001)
    assert ledger.execute(ops.ListOverdue()) == ("a",)
    ledger.execute(ops.ExpireWait(run_id="a"))
    clock.advance(300)
    assert ledger.execute(ops.ExpireWait(run_id="b")).state is State.EXPIRED


def test_an_unclaimed_message_is_due_again_after_longer_and_longer_pauses(
    ledger: MemoryLedger, clock: Clock
) -> None:
    ledger.execute(ops.Submit(spec=spec("a")))
    for publications, pause in enumerate((13, 52, 208, 832, 3328, 3600)):
        ledger.execute(ops.Published(run_id="a", publications=publications))
        clock.advance(pause - 0.001)
        assert ledger.execute(ops.ListDue()) == ()
        clock.advance(0.001)
        assert [due.run_id for due in ledger.execute(ops.ListDue())] == ["a"]


def test_a_record_is_forgettable_when_its_time_to_live_is_over(
    ledger: MemoryLedger, clock: Clock
) -> None:
    ledger.execute(ops.Submit(spec=spec("a", ttl_seconds=60.0)))
    clock.advance(100)
    ledger.execute(ops.Cancel(run_id="a", cancellation=Cancellation(by="bob")))
    clock.advance(59)
    assert ledger.execute(ops.ListForgettable()) == ()
    clock.advance(1)
    assert ledger.execute(ops.ListForgettable()) == ("a",)


# --- restarts -------------------------------------------------------------------------------------


def test_it_is_blessed_from_the_start_unless_told_otherwise() -> None:
    assert MemoryLedger().execute(ops.ReadServer()).blessed
    assert not MemoryLedger(blessed=False).execute(ops.ReadServer()).blessed


def test_a_restart_is_another_server_that_remembers_everything(ledger: MemoryLedger) -> None:
    ledger.execute(ops.Submit(spec=spec("a")))
    before = ledger.execute(ops.ReadServer())
    ledger.restart()
    after = ledger.execute(ops.ReadServer())
    assert after.server_id != before.server_id
    assert not after.blessed
    assert run_of(ledger, "a").state is State.READY


def test_each_restart_is_another_server_even_after_going_back(ledger: MemoryLedger) -> None:
    snapshot = ledger.snapshot()
    identities = set()
    for _ in range(3):
        ledger.restart(back_to=snapshot)
        identities.add(ledger.execute(ops.ReadServer()).server_id)
    assert len(identities) == 3


def test_a_restart_may_lose_runs(ledger: MemoryLedger) -> None:
    ledger.execute(ops.Submit(spec=spec("a")))
    ledger.execute(ops.Submit(spec=spec("b")))
    ledger.restart(lose=["a", "never heard of"])
    assert ledger.execute(ops.GetRun(run_id="a")) is None
    assert ledger.execute(ops.ListWaitingLocks()) == (LOCK,)


def test_a_lock_whose_owner_was_lost_is_promoted(ledger: MemoryLedger) -> None:
    for run_id in "abc":
        ledger.execute(ops.Submit(spec=spec(run_id)))
    ledger.restart(lose=["a"])
    assert ledger.execute(ops.Promote(lock=LOCK))
    assert not ledger.execute(ops.Promote(lock=LOCK))
    lock = ledger.execute(ops.GetLock(lock=LOCK))
    assert (lock.owner, lock.waiting) == ("b", ("c",))


def test_blessing_promotes_what_lost_its_owner(ledger: MemoryLedger) -> None:
    for run_id in "ab":
        ledger.execute(ops.Submit(spec=spec(run_id)))
    ledger.restart(lose=["a"])
    ledger.execute(ops.Bless(server_id=ledger.execute(ops.ReadServer()).server_id))
    assert run_of(ledger, "b").state is State.READY


def test_a_snapshot_is_not_touched_by_what_follows(ledger: MemoryLedger) -> None:
    ledger.execute(ops.Submit(spec=spec("a")))
    snapshot = ledger.snapshot()
    ledger.execute(ops.Claim(run_id="a", nonce="n", worker="w"))
    ledger.execute(ops.RegisterTasks(entries={"report": "{}"}))
    for _ in range(2):
        ledger.restart(back_to=snapshot)
        assert run_of(ledger, "a").state is State.READY
        assert ledger.execute(ops.ListTasks()) == {}
        ledger.execute(ops.Cancel(run_id="a", cancellation=Cancellation(by="bob")))


# --- around it ------------------------------------------------------------------------------------


def test_pushed_messages_can_be_looked_at_by_queue(ledger: MemoryLedger) -> None:
    request = spec("a", envelope="text", queue="slow")
    ledger.execute(ops.Submit(spec=request, push=True))
    assert ledger.messages("slow") == ("text",)
    assert ledger.messages("celery") == ()


def test_of_many_threads_one_gets_the_claim(ledger: MemoryLedger) -> None:
    ledger.execute(ops.Submit(spec=spec("a")))
    verdicts: list[Verdict] = []
    together = threading.Barrier(8)

    def claim(number: int) -> None:
        together.wait()
        operation = ops.Claim(run_id="a", nonce=f"n{number}", worker="w")
        verdicts.append(ledger.execute(operation).verdict)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(verdicts) == [Verdict.DROP] * 7 + [Verdict.OK]


def test_it_can_be_read_after_it_was_closed(ledger: MemoryLedger) -> None:
    ledger.execute(ops.Submit(spec=spec("a")))
    ledger.close()
    assert run_of(ledger, "a").state is State.READY


async def test_the_asyncio_coat_shows_the_same_runs(ledger: MemoryLedger) -> None:
    coat = AsyncMemoryLedger(ledger)
    cursor, _ = await coat.changes("", 0.0)
    ledger.execute(ops.Submit(spec=spec("a")))
    assert (await coat.changes(cursor, 10))[1] == ["a"]
    assert await coat.execute(ops.GetRun(run_id="a")) == run_of(ledger, "a")
    await coat.close()
