"""Workers, agents, users, upkeep and trouble in random order, on both ledgers at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from conformance.chances import (
    ACTIONS,
    ENDS,
    IDS,
    KEPT_SECONDS,
    LOCKS,
    NEEDS,
    PASSING,
    SELDOM,
    details,
    picks,
    requests,
)
from conformance.forecasts import Told
from conformance.promise import LEASED, Promise
from conformance.twins import Twins
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from singletrack import operations as ops
from singletrack.lifecycle import LIVE, TERMINAL, State
from singletrack.operations import Cause, Operation
from singletrack.run import Cancellation, Failure, Outcome, Progress, Run, RunSpec

R = TypeVar("R")

#: Steps until each of what is read in turn has been read.
TURNS = 4


class LedgerMachine(RuleBasedStateMachine):
    """Every action takes a pick (of a run or claim) and a detail (of what varies)."""

    twins: Twins

    def __init__(self) -> None:
        super().__init__()
        self.twins.begin_again()
        self.sent: list[Operation[Any]] = []
        self.claims: list[tuple[str, str]] = []  # (run id, nonce), granted or not
        self.told: Told | None = None
        self.saved: Any = None
        self.blessed = True
        self.sound = False
        self.looks = 0

    @initialize(
        drawn=st.fixed_dictionaries(dict.fromkeys(IDS, requests)),
        durable=st.booleans(),
        push=st.booleans(),
    )
    def prepare(self, drawn: dict[str, dict[str, Any]], durable: bool, push: bool) -> None:
        queue = self.twins.server.queue
        self.promise = Promise(durable=durable)
        self.specs = {
            run_id: RunSpec(run_id=run_id, envelope="text", queue=queue, **fields)
            for run_id, fields in drawn.items()
        }
        # The server forgets what it tells Celery's clients by a clock that nobody moves.
        self.long_kept = [i for i, spec in self.specs.items() if spec.ttl_seconds == KEPT_SECONDS]
        self.execute(ops.RegisterTasks(entries={"registered": "{}"}))
        for run_id in IDS[:3]:
            self.execute(ops.Submit(spec=self.specs[run_id], push=push))

    @rule(does=st.sampled_from(ACTIONS), pick=picks, detail=details)
    def act(self, does: str, pick: int, detail: int) -> None:
        while pick < SELDOM and does in NEEDS and not self.in_state(NEEDS[does][0]):
            does = NEEDS[does][1]
        getattr(self, does)(pick, detail)

    def execute(self, operation: Operation[R]) -> R:
        self.sound = False
        self.sent.append(operation)
        reply = self.twins.execute(operation)
        self.promise.answered(operation, reply)
        if isinstance(operation, ops.Unbless):  # also one that is repeated
            self.blessed = False
        if isinstance(operation, ops.Begin | ops.Start) and self.promise.durable:
            self.saved = None  # a replica that could be promoted has it, and all before it
        return reply

    # --- users ------------------------------------------------------------------------------------

    def submit(self, pick: int, detail: int) -> None:
        spec = self.specs[self.pick_run(pick, None)]
        before = dict(self.promise.seen)
        forecast = self.execute(ops.Preview(spec=spec))
        done = self.execute(ops.Submit(spec=spec, push=detail % 2 == 0))
        self.told = Told(spec=spec, forecast=forecast, before=before, done=done)

    def cancel(self, pick: int, detail: int) -> None:
        why = Cancellation(by=f"user {detail}", reason="random", grace_seconds=detail % 4 * 0.5)
        self.execute(ops.Cancel(run_id=self.pick_run(pick, *LIVE), cancellation=why))

    def prioritise(self, pick: int, detail: int) -> None:
        run_id = self.pick_run(pick, State.QUEUED)
        self.execute(ops.Prioritise(run_id=run_id, priority=(detail - 6) * 100))

    def pause(self, pick: int, detail: int) -> None:
        if detail % 3:
            self.execute(ops.PauseLock(lock=LOCKS[pick % len(LOCKS)], by="user", reason="random"))
        else:
            self.execute(ops.PauseQueue(queue=self.twins.server.queue, by="user"))

    def resume(self, pick: int, detail: int) -> None:
        if detail % 3:
            self.execute(ops.ResumeLock(lock=LOCKS[pick % len(LOCKS)]))
        else:
            self.execute(ops.ResumeQueue(queue=self.twins.server.queue))

    def repeat(self, pick: int, _detail: int) -> None:
        """An answer was lost, or a message comes late."""
        self.execute(self.sent[-1 - pick % len(self.sent)])

    # --- workers and agents -----------------------------------------------------------------------

    def start(self, pick: int, detail: int) -> None:
        """What a message does: one that we published, or a producer's own."""
        run_id = self.pick_run(pick, *((None,) if detail % 3 else (State.READY,)))
        spec = self.specs[run_id] if detail % 3 else None
        nonce, worker = self.new_nonce(run_id), f"worker {detail % 2}"
        self.execute(
            ops.Start(run_id=run_id, nonce=nonce, worker=worker, spec=spec, push=spec is not None)
        )

    def claim(self, pick: int, detail: int) -> None:
        run_id = self.pick_run(pick, State.READY)
        nonce = self.new_nonce(run_id)
        self.execute(ops.Claim(run_id=run_id, nonce=nonce, worker=f"worker {detail % 2}"))

    def begin(self, pick: int, _detail: int) -> None:
        run_id, nonce = self.pick_claim(pick, State.CLAIMED)
        self.execute(ops.Begin(run_id=run_id, nonce=nonce))

    def report(self, pick: int, detail: int) -> None:
        run_id, nonce = self.pick_claim(pick, State.RUNNING)
        progress = Progress(current=detail, total=100, message="on it")
        self.execute(ops.Report(run_id=run_id, nonce=nonce, progress=progress))

    def finish(self, pick: int, detail: int) -> None:
        run_id, nonce = self.pick_claim(pick, State.RUNNING)
        state = ENDS[detail % len(ENDS)]
        failed = state is not State.SUCCEEDED
        outcome = Outcome(
            state=state,
            result=None if failed else "[1]",
            failure=Failure(reason="TaskError", message="no") if failed else None,
            retry_after_seconds=0.0 if state is State.FAILED and pick % 4 == 0 else None,
        )
        self.execute(ops.Finish(run_id=run_id, nonce=nonce, outcome=outcome))

    def not_started(self, pick: int, _detail: int) -> None:
        run_id, nonce = self.pick_claim(pick)
        self.execute(ops.NotStarted(run_id=run_id, nonce=nonce))

    def child_gone(self, pick: int, detail: int) -> None:
        run_id, nonce = self.pick_claim(pick)
        cause = tuple(Cause)[detail % len(Cause)]
        self.execute(ops.ChildGone(run_id=run_id, nonce=nonce, cause=cause, message="signal 9"))

    def renew(self, pick: int, detail: int) -> None:
        leases = tuple(self.pick_claim(pick + number) for number in range(detail % 4))
        reply = self.execute(ops.Renew(agent="agent", leases=leases, token=self.highest_token()))
        assert reply.blessed == self.blessed

    def reassert(self, pick: int, _detail: int) -> None:
        """Only what was started is reasserted, mostly what the ledger has forgotten; an agent knows
        how it has ended."""
        begun = sorted(self.promise.begun)
        forgotten = self.in_state(None, State.LOST, *LIVE - {State.RUNNING})
        candidates = [claim for claim in begun if claim[0] in forgotten]
        if pick >= SELDOM or not candidates:
            candidates = begun
        if candidates:
            claim = candidates[pick % len(candidates)]
            spec, grant = self.specs[claim[0]], self.promise.grants[claim]
            outcome = self.promise.ended.get(claim)
            self.execute(ops.Reassert(spec=spec, grant=grant, worker="worker 0", outcome=outcome))

    # --- upkeep -----------------------------------------------------------------------------------

    def expire(self, pick: int, detail: int) -> None:
        run_id, nonce = self.pick_claim(pick)
        run = self.promise.seen.get(run_id)
        lease_seq = run.lease_seq if run and detail else 1
        self.execute(ops.Expire(run_id=run_id, nonce=nonce, lease_seq=lease_seq))

    def confirm_dead(self, pick: int, _detail: int) -> None:
        run_id, nonce = self.pick_claim(pick)
        self.execute(ops.ConfirmDead(run_id=run_id, nonce=nonce, message="exit code 137"))

    def release(self, pick: int, detail: int) -> None:
        """Mostly without looking, sometimes with the token of some run."""
        run = self.promise.seen.get(self.pick_run(pick, State.RUNNING)) if detail % 3 == 0 else None
        lock, token = LOCKS[pick % len(LOCKS)], run.token if run else 0
        self.execute(ops.ReleaseLock(lock=lock, by="alice", reason="random", token=token))

    def settle(self, pick: int, detail: int) -> None:
        """The operator tells of an end that a TaskRun shows."""
        state = ENDS[detail % len(ENDS)]
        run_id = self.pick_run(pick, State.LOST, *LIVE)
        self.execute(ops.Settle(run_id=run_id, outcome=Outcome(state=state)))

    def expire_wait(self, pick: int, _detail: int) -> None:
        self.execute(ops.ExpireWait(run_id=self.pick_run(pick, State.QUEUED, State.READY)))

    def published(self, pick: int, detail: int) -> None:
        run_id = self.pick_run(pick, State.READY)
        run = self.promise.seen.get(run_id)
        count = run.publications if run else 0
        self.execute(ops.Published(run_id=run_id, publications=count, push=detail % 2 == 0))

    def show(self, pick: int, detail: int) -> None:
        run_id = self.pick_run(pick, *State)
        run = self.promise.seen.get(run_id)
        revision = (run.revision if run else 1) - (0 if detail else 1)
        self.execute(ops.AckProjection(run_id=run_id, revision=revision))

    def forget(self, pick: int, _detail: int) -> None:
        self.execute(ops.Forget(run_id=self.pick_run(pick, *TERMINAL)))

    def promote(self, pick: int, _detail: int) -> None:
        assert not self.execute(ops.Promote(lock=LOCKS[pick % len(LOCKS)])), "L2: a lock was free"

    def add_up(self, pick: int, _detail: int) -> None:
        task = self.specs[IDS[pick % len(IDS)]].task
        self.execute(ops.RegisterTasks(entries={task: "{}"}) if pick % 3 else ops.AddUp())

    def pass_time(self, _pick: int, detail: int) -> None:
        self.twins.pass_time(PASSING[detail % len(PASSING)] * 1_000_000)

    # --- the server -------------------------------------------------------------------------------

    def replicate(self, _pick: int, _detail: int) -> None:
        self.saved = self.twins.snapshot()

    def restart(self, _pick: int, _detail: int) -> None:
        self.twins.restart()
        self.blessed = False

    def unbless(self, _pick: int, _detail: int) -> None:
        self.execute(ops.Unbless())

    def bless(self, _pick: int, _detail: int) -> None:
        self.bless_now()

    def fail_over(self, _pick: int, _detail: int) -> None:
        if self.saved is not None:
            self.twins.fail_over(self.saved)
            self.promise.lost()
            self.blessed = False

    def wipe(self, _pick: int, _detail: int) -> None:
        """Nothing is left but what users and the operator submit again."""
        if self.promise.begun and not self.promise.durable:
            self.twins.wipe()
            self.promise.lost()
            self.blessed = False
            for run_id in IDS[:3]:
                self.execute(ops.Submit(spec=self.specs[run_id]))

    # --- choosing ---------------------------------------------------------------------------------

    def pick_run(self, pick: int, *states: State | None) -> str:
        """Mostly a run in one of these states, if there is one; None: not recorded."""
        fitting = self.in_state(*states)
        candidates = fitting if fitting and pick < SELDOM else IDS
        return candidates[pick % len(candidates)]

    def pick_claim(self, pick: int, *states: State) -> tuple[str, str]:
        """Mostly the claim of a run in one of these states, else of one that is or was claimed."""
        fitting = self.in_state(*states) or self.in_state(*LEASED)
        current = [(run_id, self.promise.seen[run_id].nonce) for run_id in fitting]
        candidates = current if current and pick < SELDOM else self.claims
        return candidates[pick % len(candidates)] if candidates else ("a", "nobody's")

    def in_state(self, *states: State | None) -> list[str]:
        seen = self.promise.seen
        return [i for i in IDS if (seen[i].state if i in seen else None) in states]

    def highest_token(self) -> int:
        return max((grant.token for grant in self.promise.grants.values()), default=0)

    def new_nonce(self, run_id: str) -> str:
        self.claims.append((run_id, f"n{len(self.claims)}"))
        return self.claims[-1][1]

    # --- after every step -------------------------------------------------------------------------

    @invariant()
    def the_promise_holds(self) -> None:
        """Runs, leases and locks are read after every step, everything else in turn: what is wrong
        there stays so for a while.
        """
        self.looks += 1
        self.look(self.others()[self.looks % TURNS :: TURNS])

    def look(self, others: Sequence[Operation[Any]]) -> None:
        runs, leases = ops.ListRuns(namespace="default"), ops.ListLeases()
        locks = [ops.GetLock(lock=lock) for lock in LOCKS]
        seen, outbox = self.twins.read([runs, leases, *locks, *others], self.long_kept)
        self.promise.observed(
            runs=seen[runs],
            locks=[seen[lock] for lock in locks],
            leased=[lease.run_id for lease in seen[leases]],
            outbox=outbox,
        )
        if self.told:
            records = {run.run_id: run for run in seen[runs]}
            waiting = seen[ops.GetLock(lock=self.told.spec.lock)].waiting
            self.told.came_true(records, waiting)
            self.told = None
        self.sound = True

    def others(self) -> list[Operation[Any]]:
        return [
            ops.ListDue(),
            ops.ListOverdue(),
            ops.ListForgettable(),
            ops.ListUnprojected(),
            ops.ListWaitingLocks(),
            ops.GetQueue(queue=self.twins.server.queue),
            *(ops.GetPauses(lock=lock, queue=self.twins.server.queue) for lock in LOCKS),
            ops.ListLocks(namespace="default"),
            ops.ListPausedQueues(),
            ops.LatestRun(namespace="default"),
            ops.ReadCounters(),
            # What a list leaves out of a record.
            ops.GetRun(run_id=IDS[self.looks // TURNS % len(IDS)]),
        ]

    def teardown(self) -> None:
        if self.sound:  # else there is something worse to tell
            self.everything_ends_once_faults_stop()

    def everything_ends_once_faults_stop(self) -> None:
        """L1: without a cancellation, which would hide a run that is stuck."""
        if not self.blessed:
            self.bless_now()
        for lock in LOCKS:
            self.execute(ops.ResumeLock(lock=lock))
        self.execute(ops.ResumeQueue(queue=self.twins.server.queue))
        for _ in range(6 * len(IDS)):  # each may be suspect, handed back, tried again, then it ends
            self.the_promise_holds()
            alive = [run for run in self.promise.seen.values() if not run.terminal]
            if not alive:
                return self.look(self.others())
            for run in alive:
                self.carry_on(run)
        raise AssertionError(f"L1: stuck: {alive}")

    def bless_now(self) -> None:
        self.twins.bless()
        self.promise.blessed()
        self.blessed = True

    def carry_on(self, run: Run) -> None:
        run_id, nonce = run.run_id, run.nonce
        if run.suspect:
            self.execute(ops.ReleaseLock(lock=run.spec.lock, by="alice", reason="gone"))
        elif run.state in LEASED:
            self.execute(ops.Expire(run_id=run_id, nonce=nonce, lease_seq=run.lease_seq))
        elif run.backing_off and run.spec.retry.initial_seconds:
            self.execute(ops.Cancel(run_id=run_id, cancellation=Cancellation(by="the end")))
        elif run.state is State.READY:
            nonce = self.new_nonce(run_id)
            self.execute(ops.Claim(run_id=run_id, nonce=nonce, worker="worker 0"))
            self.execute(ops.Begin(run_id=run_id, nonce=nonce))
            outcome = Outcome(state=State.SUCCEEDED)
            self.execute(ops.Finish(run_id=run_id, nonce=nonce, outcome=outcome))
