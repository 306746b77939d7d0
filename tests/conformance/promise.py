"""The promise as a judge of what is seen: S3 to S8, L2 and L3 of the protocol.

It is told every operation with its answer, and after each step what the records and locks are, and
raises an AssertionError that begins with the name of the invariant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from singletrack import operations as ops
from singletrack.errors import LedgerRefused
from singletrack.lifecycle import OWNING, TERMINAL, State
from singletrack.operations import Cause, Grant, LockStatus, Operation, Verdict
from singletrack.run import Outcome, Run

#: How an attempt ended whose run goes on, as its agent knows it.
_ENDS = {
    Cause.DIED: State.LOST,
    Cause.FENCED: State.LOST,
    Cause.OUT_OF_MEMORY: State.LOST,
    Cause.TIMED_OUT: State.TIMED_OUT,
    Cause.CANCELLED: State.CANCELLED,
}

LEASED = frozenset({State.CLAIMED, State.RUNNING})


class Promise:
    """Remembers what the ledger has acknowledged, and judges what comes after it.

    `durable`: a begin that was answered OK survives every failover.
    """

    def __init__(self, *, durable: bool) -> None:
        self.durable = durable
        self.grants: dict[tuple[str, str], Grant] = {}
        self.begun: set[tuple[str, str]] = set()
        """(run id, nonce) of what was started, as its agent knows it."""
        self.ended: dict[tuple[str, str], Outcome] = {}
        """How of these what has ended did so, as its agent remembers it."""
        self.seen: dict[str, Run] = {}
        self._displaced: set[str] = set()
        """Runs that are LOST until the blessing, or until somebody knows better."""
        self._cancelled: set[str] = set()
        self._starts: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        """By run and attempt: the nonces under which its code was started."""
        self._asked: defaultdict[str, set[str]] = defaultdict(set)
        """The nonces of the attempts whose own code asked for another one."""
        self._tokens: defaultdict[str, int] = defaultdict(int)

    def lost(self) -> None:
        """Acknowledged writes are gone: nobody can rely on them; on begins only where durable."""
        self.seen.clear()
        self._cancelled.clear()
        if not self.durable:
            self._starts.clear()
            self._tokens.clear()

    def blessed(self) -> None:
        """The server is complete: what is lost stays lost, and not only provisionally."""
        self._displaced.clear()
        self.seen = {run.run_id: replace(run, provisional=False) for run in self.seen.values()}

    # --- answers ----------------------------------------------------------------------------------

    def answered(self, operation: Operation[Any], reply: Any) -> None:
        if isinstance(reply, LedgerRefused):
            return
        grant = getattr(reply, "grant", None)
        if grant:
            self.grants[grant.run_id, grant.nonce] = grant
        if getattr(reply, "verdict", Verdict.OK) is Verdict.OK:
            self._accepted(operation, reply)

    def _accepted(self, operation: Operation[Any], reply: Any) -> None:
        match operation:
            case ops.Begin() | ops.Start():
                self._has_begun(self.grants[operation.run_id, operation.nonce])
            case ops.NotStarted():
                grant = self.grants[operation.run_id, operation.nonce]
                self._starts[operation.run_id, grant.attempt].discard(operation.nonce)
                self.begun.discard((operation.run_id, operation.nonce))
            case ops.Finish():
                self._has_ended(operation, operation.outcome)
            case ops.ChildGone():
                end = reply.state if reply.state in TERMINAL else _ENDS[operation.cause]
                self._has_ended(operation, Outcome(state=end))
            case ops.Reassert():
                self._reasserted(operation)
            case ops.Cancel():
                self._cancelled.add(operation.run_id)
            case ops.Forget() if reply:
                self._forget(operation.run_id)

    def _forget(self, run_id: str) -> None:
        self.seen.pop(run_id, None)
        self._cancelled.discard(run_id)
        for key in [key for key in self._starts if key[0] == run_id]:
            del self._starts[key]

    def _has_begun(self, grant: Grant) -> None:
        run_id, starts = grant.run_id, self._starts[grant.run_id, grant.attempt]
        before = self.seen.get(run_id)
        assert not (before and before.terminal), f"S8: {before} has begun"
        assert run_id not in self._cancelled, f"S7: {run_id} was cancelled and has begun"
        if grant.nonce not in starts:
            starts.add(grant.nonce)
            assert grant.token > self._tokens[grant.lock], f"S6: token {grant.token} did not grow"
            self._tokens[grant.lock] = grant.token
        assert len(starts) == 1, f"S3: attempt {grant.attempt} of {run_id} was started by {starts}"
        self.begun.add((run_id, grant.nonce))

    def _has_ended(self, operation: ops.Finish | ops.ChildGone, outcome: Outcome) -> None:
        claim = (operation.run_id, operation.nonce)
        if outcome.retry_after_seconds is not None:
            self._asked[operation.run_id].add(operation.nonce)
        if claim in self.begun:
            self.ended.setdefault(claim, outcome)

    def _reasserted(self, operation: ops.Reassert) -> None:
        run_id = operation.grant.run_id
        self._starts[run_id, operation.grant.attempt] = {operation.grant.nonce}
        self._displaced.discard(run_id)
        if operation.outcome is None:
            lock = self.seen[run_id].spec.lock if run_id in self.seen else operation.spec.lock
            self._displaced |= {
                run.run_id
                for run in self.seen.values()
                if run.spec.lock == lock and run.state in LEASED and run.run_id != run_id
            }

    # --- records ----------------------------------------------------------------------------------

    def observed(
        self,
        runs: Iterable[Run],
        locks: Iterable[LockStatus],
        *,
        leased: Collection[str],
        outbox: Collection[str],
    ) -> None:
        """Judge all records of one moment, all locks, the leases and the outbox."""
        runs = list(runs)
        for run in runs:
            self._judge_history(run)
        for lock in locks:
            _judge_lock(lock, [run for run in runs if run.spec.lock == lock.key])
        ready = {run.run_id for run in runs if run.state is State.READY}
        assert set(outbox) == ready, f"L3: {ready} are READY, {outbox} will be published"
        held = {run.run_id for run in runs if run.state in LEASED}
        assert set(leased) == held, f"L3: {held} are claimed, {leased} have leases"

    def _judge_history(self, run: Run) -> None:
        before = self.seen.get(run.run_id)
        self.seen[run.run_id] = run
        most = run.spec.retry.limit + 1 + len(self._asked[run.run_id])
        assert run.attempt <= most, f"S3: {run} may have {most} attempts"
        if before is None:
            return
        final = before.terminal and run.run_id not in self._displaced
        assert run == before or not final, f"S4: {before} was not final but {run}"
        assert run.revision >= before.revision, f"S4: the revision went back: {run}"
        grown = run.revision > before.revision
        assert grown or run.state is before.state, f"S4: the same revision, but {run.state}: {run}"


def _judge_lock(lock: LockStatus, runs: Sequence[Run]) -> None:
    owners = [run for run in runs if run.state in OWNING]
    waiting = {run.run_id for run in runs if run.state is State.QUEUED}
    assert len(owners) <= 1, f"S5: {lock.key} has the owners {owners}"
    owner = owners[0].run_id if owners else None
    assert lock.owner == owner, f"S5: {lock.key} belongs to {lock.owner}, not to {owner}"
    assert sorted(lock.waiting) == sorted(waiting), f"S5: {waiting} wait, {lock.waiting} in line"
    assert owner or lock.pause or not waiting, f"L2: {lock.key} is free and {waiting} wait"
    if owners and owners[0].state in LEASED:
        assert lock.token == owners[0].token, f"S6: {lock.key} shows the token {lock.token}"
