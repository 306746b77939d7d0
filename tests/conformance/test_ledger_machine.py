"""Random operations on the memory ledger and on the real functions: equal answers, true invariants.

Lost answers and late messages are repeated operations; a failover goes back to a snapshot, but
never behind a begin that was answered OK, because that one is durable. In half of the examples it
is not (`durability: relaxed`), and the server may lose everything: then a run may start twice, but
the ledgers must agree all the same.

LEDGER_MACHINE_EXAMPLES (60) and LEDGER_MACHINE_STEPS (40) in the environment make it longer.
"""

from __future__ import annotations

import os
import time
from typing import Any, TypeVar

import pytest
from conformance.ledgers import InMemory, OnServer
from conformance.twins import Twins
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from support.redis_servers import RedisServer

from singletrack import operations as ops
from singletrack.lifecycle import LIVE, OWNING, TERMINAL, State
from singletrack.operations import Cause, Operation, Verdict
from singletrack.policies import Policy
from singletrack.run import Cancellation, Door, Failure, Outcome, Progress, Run, RunSpec

R = TypeVar("R")

EXAMPLES = int(os.environ.get("LEDGER_MACHINE_EXAMPLES", "60"))
STEPS = int(os.environ.get("LEDGER_MACHINE_STEPS", "40"))

IDS = ("a", "b", "c", "d", "e")
LOCKS = ("default/one", "default/two")
LEASED = {State.CLAIMED, State.RUNNING}

ENDS = (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.TIMED_OUT)

#: One rule for all of them: Hypothesis switches whole rules off, and a run needs most of them.
ACTIONS = (
    *("submit", "submit", "submit_and_claim", "cancel", "repeat", "repeat"),
    *("claim", "claim", "claim", "begin", "begin", "begin", "begin", "finish", "finish", "report"),
    *("not_started", "child_gone", "renew", "reassert", "reassert"),
    *("expire", "expire_wait", "published", "show", "forget", "promote"),
    *("replicate", "fail_over", "restart", "wipe", "bless", "bless", "bless"),
)
details = st.integers(min_value=0, max_value=11)
picks = st.integers(min_value=0, max_value=63)
SELDOM = 52  # from here on a pick takes anything, fitting or not
specs = st.fixed_dictionaries(
    {
        "lock": st.sampled_from(LOCKS),
        "policy": st.sampled_from([Policy.QUEUE, Policy.QUEUE, Policy.REJECT, Policy.REPLACE]),
        "priority": st.sampled_from([0, 0, 5]),
        "max_queue": st.sampled_from([None, None, 1]),
        "name": st.sampled_from(["", "a-task-run"]),
        "door": st.sampled_from(Door),
        "task": st.sampled_from(["registered", "unheard-of"]),
        "start_deadline_seconds": st.sampled_from([300.0, 0.0]),
        "queue_timeout_seconds": st.sampled_from([None, 0.0]),
        "ttl_seconds": st.sampled_from([86400.0, 0.0]),
    }
)


class LedgerMachine(RuleBasedStateMachine):
    """Workers, agents, users and upkeep, in any order, on both ledgers at once."""

    twins: Twins

    def __init__(self) -> None:
        super().__init__()
        self.twins.begin_again()
        self.started_at = time.monotonic()
        self.specs: dict[str, RunSpec] = {}
        self.sent: list[Operation[Any]] = []
        self.grants: dict[tuple[str, str], ops.Grant] = {}
        self.claims: list[tuple[str, str]] = []  # (run id, nonce), granted or not
        self.saved: Any = None
        self.sound = False
        self.relaxed = True
        self.forget_what_was_acknowledged()
        self.blessed = True
        self.begun: set[tuple[str, str]] = set()  # as the agents know it

    def forget_what_was_acknowledged(self) -> None:
        """After a loss nobody can rely on it; on begins only where they are durable."""
        self.blessed = False
        self.seen: dict[str, Run] = {}
        self.cancelled: set[str] = set()
        if self.relaxed:
            self.starts: dict[str, set[str]] = {run_id: set() for run_id in IDS}
            self.begun_token: dict[str, int] = dict.fromkeys(LOCKS, 0)

    def execute(self, operation: Operation[R]) -> R:
        self.sound = False
        self.sent.append(operation)
        reply = self.twins.execute(operation)
        self.watch(operation, reply)
        return reply

    def look(self, operation: Operation[R]) -> R:
        return self.twins.execute(operation)

    # --- what the promise says of single answers --------------------------------------------------

    def watch(self, operation: Operation[Any], reply: Any) -> None:
        match operation:
            case ops.Begin() if reply.verdict is Verdict.OK:
                self.watch_begin(operation)
            case ops.NotStarted() if reply.verdict is Verdict.OK:
                self.starts[operation.run_id].discard(operation.nonce)
                self.begun.discard((operation.run_id, operation.nonce))
            case ops.Reassert() if reply.verdict is Verdict.OK:
                self.starts[operation.grant.run_id] = {operation.grant.nonce}
            case ops.Cancel() if reply.verdict is Verdict.OK:
                self.cancelled.add(operation.run_id)
            case ops.Forget() if reply:
                self.seen.pop(operation.run_id, None)
                self.cancelled.discard(operation.run_id)
                self.starts[operation.run_id] = set()
        if isinstance(reply, ops.ClaimReply | ops.Submission) and reply.grant:
            self.grants[reply.grant.run_id, reply.grant.nonce] = reply.grant

    def watch_begin(self, begin: ops.Begin) -> None:
        run_id, starts = begin.run_id, self.starts[begin.run_id]
        before = self.seen.get(run_id)
        assert not (before and before.terminal), f"S8: {before} has begun"
        assert run_id not in self.cancelled, "S7: a cancelled run has begun"
        if begin.nonce not in starts:
            starts.add(begin.nonce)
            token, lock = self.grants[run_id, begin.nonce].token, self.specs[run_id].lock
            assert token > self.begun_token[lock], "S6: a token that does not grow"
            self.begun_token[lock] = token
        assert len(starts) == 1, f"S3: {run_id} was started by {starts}"
        self.begun.add((run_id, begin.nonce))
        if not self.relaxed:
            self.saved = None  # the begin is durable, and everything before it

    # --- who acts ---------------------------------------------------------------------------------

    @initialize(
        drawn=st.fixed_dictionaries(dict.fromkeys(IDS, specs)),
        push=st.booleans(),
        relaxed=st.booleans(),
    )
    def requests(self, drawn: dict[str, dict[str, Any]], push: bool, relaxed: bool) -> None:
        self.relaxed = relaxed
        self.specs = {
            run_id: RunSpec(run_id=run_id, envelope="text", queue=self.twins.server.queue, **fields)
            for run_id, fields in drawn.items()
        }
        self.execute(ops.RegisterTasks(entries={"registered": "{}"}))
        for run_id in IDS[:3]:
            self.execute(ops.Submit(spec=self.specs[run_id], push=push))

    @rule(does=st.sampled_from(ACTIONS), pick=picks, detail=details)
    def act(self, does: str, pick: int, detail: int) -> None:
        getattr(self, does)(pick, detail)

    # --- users ------------------------------------------------------------------------------------

    def submit(self, pick: int, detail: int) -> None:
        spec = self.specs[IDS[pick % len(IDS)]]
        self.execute(ops.Submit(spec=spec, push=detail % 2 == 0))

    def cancel(self, pick: int, detail: int) -> None:
        why = Cancellation(by=f"user {detail}", reason="random", grace_seconds=1.5)
        self.execute(ops.Cancel(run_id=self.pick_run(pick, *LIVE), cancellation=why))

    def repeat(self, pick: int, _detail: int) -> None:
        """An answer was lost, or a message comes late."""
        self.execute(self.sent[-1 - pick % len(self.sent)])

    # --- workers and agents -----------------------------------------------------------------------

    def submit_and_claim(self, pick: int, detail: int) -> None:
        spec = self.specs[IDS[pick % len(IDS)]]
        nonce = self.new_nonce(spec.run_id)
        self.execute(
            ops.Submit(spec=spec, push=True, claim_nonce=nonce, worker=f"worker {detail % 2}")
        )

    def claim(self, pick: int, detail: int) -> None:
        run_id = self.pick_run(pick, State.READY)
        nonce = self.new_nonce(run_id)
        self.execute(ops.Claim(run_id=run_id, nonce=nonce, worker=f"worker {detail % 2}"))

    def begin(self, pick: int, _detail: int) -> None:
        run_id, nonce = self.pick_claim(pick)
        self.execute(ops.Begin(run_id=run_id, nonce=nonce))

    def report(self, pick: int, detail: int) -> None:
        run_id, nonce = self.pick_claim(pick)
        progress = Progress(current=detail, total=100, message="on it")
        self.execute(ops.Report(run_id=run_id, nonce=nonce, progress=progress))

    def finish(self, pick: int, detail: int) -> None:
        run_id, nonce = self.pick_claim(pick)
        state = ENDS[detail % len(ENDS)]
        failed = state is not State.SUCCEEDED
        outcome = Outcome(
            state=state,
            result=None if failed else "[1]",
            failure=Failure(reason="TaskError", message="no") if failed else None,
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
        reply = self.execute(ops.Renew(agent="agent", leases=leases))
        assert reply.blessed == self.blessed

    def reassert(self, pick: int, _detail: int) -> None:
        """Only what was started is reasserted."""
        if self.begun:
            claim = sorted(self.begun)[pick % len(self.begun)]
            spec = self.specs[claim[0]]
            self.execute(ops.Reassert(spec=spec, grant=self.grants[claim], worker="worker 0"))

    # --- upkeep -----------------------------------------------------------------------------------

    def expire(self, pick: int, detail: int) -> None:
        run_id, nonce = self.pick_claim(pick)
        run = self.seen.get(run_id)
        lease_seq = run.lease_seq if run and detail else 1
        self.execute(ops.Expire(run_id=run_id, nonce=nonce, lease_seq=lease_seq))

    def expire_wait(self, pick: int, _detail: int) -> None:
        self.execute(ops.ExpireWait(run_id=self.pick_run(pick, State.QUEUED, State.READY)))

    def published(self, pick: int, detail: int) -> None:
        run_id = self.pick_run(pick, State.READY)
        count = self.seen[run_id].publications if run_id in self.seen else 0
        self.execute(ops.Published(run_id=run_id, publications=count, push=detail % 2 == 0))

    def show(self, pick: int, detail: int) -> None:
        run_id = self.pick_run(pick, *State)
        revision = self.seen[run_id].revision if run_id in self.seen else 1
        behind = 0 if detail else 1
        self.execute(ops.AckProjection(run_id=run_id, revision=revision - behind))

    def forget(self, pick: int, _detail: int) -> None:
        self.execute(ops.Forget(run_id=self.pick_run(pick, *TERMINAL)))

    def promote(self, pick: int, _detail: int) -> None:
        promoted = self.execute(ops.Promote(lock=LOCKS[pick % len(LOCKS)]))
        assert not promoted, "a lock was free while somebody waited"

    # --- the server -------------------------------------------------------------------------------

    def replicate(self, _pick: int, _detail: int) -> None:
        self.saved = self.twins.snapshot()

    def restart(self, _pick: int, _detail: int) -> None:
        self.twins.restart()
        self.blessed = False

    def bless(self, _pick: int, _detail: int) -> None:
        self.twins.bless()
        self.blessed = True

    def fail_over(self, _pick: int, _detail: int) -> None:
        if self.saved is not None:
            self.twins.fail_over(self.saved)
            self.forget_what_was_acknowledged()

    def wipe(self, _pick: int, _detail: int) -> None:
        """Nothing is left but what users and the operator submit again."""
        if self.relaxed and self.begun:
            self.twins.wipe()
            self.forget_what_was_acknowledged()
            for run_id in IDS[:3]:
                self.execute(ops.Submit(spec=self.specs[run_id]))

    # --- choosing ---------------------------------------------------------------------------------

    def pick_run(self, pick: int, *states: State) -> str:
        """Mostly a run in one of these states, if there is one."""
        fitting = [run_id for run_id in IDS if self.state(run_id) in states]
        candidates = fitting if fitting and pick < SELDOM else IDS
        return candidates[pick % len(candidates)]

    def pick_claim(self, pick: int) -> tuple[str, str]:
        """Mostly a current claim, if there is one."""
        current = [claim for claim in self.claims if self.is_current(claim)]
        candidates = current if current and pick < SELDOM else self.claims
        return candidates[pick % len(candidates)] if candidates else ("a", "nobody's")

    def is_current(self, claim: tuple[str, str]) -> bool:
        run = self.seen.get(claim[0])
        return run is not None and run.state in LEASED and run.nonce == claim[1]

    def state(self, run_id: str) -> State | None:
        run = self.seen.get(run_id)
        return run.state if run else None

    def new_nonce(self, run_id: str) -> str:
        self.claims.append((run_id, f"n{len(self.claims)}"))
        return self.claims[-1][1]

    # --- what holds after every step --------------------------------------------------------------

    @invariant()
    def the_invariants_hold(self) -> None:
        runs = {run_id: self.look(ops.GetRun(run_id=run_id)) for run_id in IDS}
        alive = {run_id: run for run_id, run in runs.items() if run and not run.terminal}
        for run in filter(None, runs.values()):
            self.check_history(run)
        for lock in LOCKS:
            self.check_lock(lock, alive)
        leased = {run_id for run_id, run in alive.items() if run.state in LEASED}
        assert {lease.run_id for lease in self.look(ops.ListLeases())} == leased, "L3"
        for run_id, run in alive.items():
            if run.state is State.READY:
                assert self.twins.server.next_look(run_id), "L3: READY and nobody will look"
        self.compare_lists()
        self.sound = True

    def check_history(self, run: Run) -> None:
        before = self.seen.get(run.run_id)
        self.seen[run.run_id] = run
        assert run.attempt <= 1, "S3: a second attempt"
        if before:
            assert run.revision >= before.revision, "S4: the revision went back"
            assert run == before or not before.terminal, f"S4: {before.state} was not final"
            moved = run.revision > before.revision
            assert moved or run.state is before.state, "S4: another state, the same revision"

    def check_lock(self, lock: str, alive: dict[str, Run]) -> None:
        status = self.twins.server.lock(lock)
        assert status.waiting == self.twins.memory.lock(lock).waiting
        mine = [run for run in alive.values() if run.spec.lock == lock]
        owners = [run for run in mine if run.state in OWNING]
        assert len(owners) <= 1, f"S5: {len(owners)} runs own {lock}"
        assert status.owner == (owners[0].run_id if owners else None), "S5: another owner"
        if owners and owners[0].state in LEASED:
            assert status.token == owners[0].token
        assert sorted(status.waiting) == sorted(r.run_id for r in mine if r.state is State.QUEUED)
        assert owners or not status.waiting, "L2: a free lock and somebody waiting"

    def compare_lists(self) -> None:
        for operation in (
            ops.ListOverdue(),
            ops.ListForgettable(),
            ops.ListUnprojected(),
            ops.ListWaitingLocks(),
            ops.ListRuns(namespace="default"),
            ops.LatestRun(namespace="default"),
            ops.ReadCounters(),
        ):
            self.look(operation)
        if time.monotonic() - self.started_at < 10:  # later, a publication may be due again
            self.look(ops.ListDue())

    # --- the end ----------------------------------------------------------------------------------

    def teardown(self) -> None:
        if self.sound:  # else there is something worse to tell
            self.everything_ends_once_faults_stop()

    def everything_ends_once_faults_stop(self) -> None:
        """L1: without a cancellation, which would hide a run that is stuck."""
        if not self.blessed:
            self.twins.bless()
        for _ in range(2 * len(IDS) + 2):  # each may be handed back once, then it executes
            self.the_invariants_hold()
            for run in [run for run in self.seen.values() if not run.terminal]:
                self.carry_on(run)
        left = [run for run in self.seen.values() if not run.terminal]
        assert not left, f"L1: stuck: {left}"

    def carry_on(self, run: Run) -> None:
        run_id, nonce = run.run_id, run.nonce
        if run.state in LEASED:
            self.execute(ops.Expire(run_id=run_id, nonce=nonce, lease_seq=run.lease_seq))
        elif run.state is State.READY:
            nonce = self.new_nonce(run_id)
            self.execute(ops.Claim(run_id=run_id, nonce=nonce, worker="w1"))
            self.execute(ops.Begin(run_id=run_id, nonce=nonce))
            outcome = Outcome(state=State.SUCCEEDED)
            self.execute(ops.Finish(run_id=run_id, nonce=nonce, outcome=outcome))


@pytest.mark.timeout(360 + 2 * EXAMPLES)  # shrinking a failure may take five minutes
def test_both_ledgers_agree_and_keep_the_promise(valkey: RedisServer, key_prefix: str) -> None:
    LedgerMachine.twins = Twins(InMemory(f"queue-{key_prefix}"), OnServer(valkey, key_prefix))
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    LedgerMachine.twins.close()
