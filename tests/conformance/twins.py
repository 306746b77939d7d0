"""Two ledgers that must not differ: the memory ledger and the functions on a real server.

Every operation goes to both. What cannot be equal is left out of the comparison: when something
happened (only whether), how long it took, the identity of the server, sequence numbers, and orders
that depend on milliseconds. Tokens are made equal by a floor far above any clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from conformance.ledgers import InMemory, OnServer

from singletrack import operations as ops
from singletrack.errors import LedgerRefused
from singletrack.operations import Operation
from singletrack.run import Run

R = TypeVar("R")

#: Above the clock of any server for a century, below what a double holds exactly.
TOKEN_FLOOR = 4_000_000_000_000_000

_SOMETIME = datetime(2000, 1, 1, tzinfo=UTC)
_UNORDERED = (
    ops.ListDue,
    ops.ListLeases,
    ops.ListOverdue,
    ops.ListForgettable,
    ops.ListWaitingLocks,
)


class Twins:
    """Performs operations on both ledgers and insists on equal answers."""

    def __init__(self, memory: InMemory, server: OnServer) -> None:
        self.memory = memory
        self.server = server
        self.highest_token = TOKEN_FLOOR

    def begin_again(self) -> None:
        """Empty, blessed, with the first token still to come."""
        self.wipe()
        self.highest_token = TOKEN_FLOOR
        self.bless()

    def execute(self, operation: Operation[R]) -> R:
        expected, reply = self._perform(operation)
        _insist(operation, expected, reply)
        self._note_token(reply)
        return reply

    def read(self, operations: Sequence[Operation[Any]]) -> dict[Operation[Any], Any]:
        """The answers to operations that change nothing, from the server in one round trip."""
        replies = dict(zip(operations, self.server.read(operations), strict=True))
        for operation, reply in replies.items():
            _insist(operation, self.memory.execute(operation), reply)
        return replies

    def compare_told(self, run_ids: Sequence[str]) -> None:
        """Insist on equal ends under Celery's result keys of these runs."""
        expected = [_undated(self.memory.told(run_id)) for run_id in run_ids]
        found = [_undated(told) for told in self.server.told_of(run_ids)]
        assert found == expected, f"told of {run_ids}\nmemory: {expected}\nserver: {found}"

    def bless(self) -> None:
        """As upkeep does once every agent has reported the highest token it saw."""
        for ledger in (self.memory, self.server):
            server_id = ledger.execute(ops.ReadServer()).server_id
            bless = ops.Bless(server_id=server_id, token_floor=self.highest_token)
            assert ledger.execute(bless)

    def restart(self) -> None:
        self.memory.restart()
        self.server.restart()

    def snapshot(self) -> tuple[Any, Any]:
        return self.memory.snapshot(), self.server.snapshot()

    def fail_over(self, snapshot: tuple[Any, Any]) -> None:
        self.memory.restart(back_to=snapshot[0])
        self.server.restart(back_to=snapshot[1])

    def wipe(self) -> None:
        self.memory.wipe()
        self.server.wipe()

    def close(self) -> None:
        self.memory.close()
        self.server.close()

    def _perform(self, operation: Operation[R]) -> tuple[Any, Any]:
        return _attempt(self.memory, operation), _attempt(self.server, operation)

    def _note_token(self, reply: Any) -> None:
        grant = getattr(reply, "grant", None)
        if grant:
            self.highest_token = max(self.highest_token, grant.token)


def _insist(operation: Operation[Any], expected: Any, reply: Any) -> None:
    if isinstance(expected, LedgerRefused) or isinstance(reply, LedgerRefused):
        assert type(expected) is type(reply), f"{operation}: {expected!r} / {reply!r}"
    else:
        expected, found = comparable(operation, expected), comparable(operation, reply)
        assert found == expected, f"{operation}\nmemory: {expected}\nserver: {found}"


def _attempt(ledger: InMemory | OnServer, operation: Operation[Any]) -> Any:
    try:
        return ledger.execute(operation)
    except LedgerRefused as refusal:
        return refusal


def comparable(operation: Operation[Any], reply: Any) -> Any:
    """The part of an answer in which two ledgers must agree."""
    if isinstance(reply, Run):
        return timeless(reply)
    if isinstance(operation, _UNORDERED):
        return set(reply)
    if isinstance(operation, ops.ListRuns):
        return [timeless(run) for run in reply]
    if isinstance(operation, ops.ReadCounters):
        return counted(reply)
    return _without_identity(reply)


def _without_identity(reply: Any) -> Any:
    if isinstance(reply, tuple):
        return [_without_identity(one) for one in reply]
    if isinstance(reply, ops.RenewReply):
        return replace(reply, server_id="")
    if isinstance(reply, ops.LockStatus | ops.LockSummary):
        # The token is that of the owner, as `Promise` checks, or of a past one.
        reply = replace(reply, token=0)
    if isinstance(reply, ops.LockStatus | ops.LockSummary | ops.QueueStatus):
        return replace(reply, pause=_timeless(reply.pause))
    if isinstance(reply, ops.Pauses):
        return replace(reply, lock=_timeless(reply.lock), queue=_timeless(reply.queue))
    return reply


def _undated(told: dict[str, Any] | None) -> dict[str, Any] | None:
    return told and {**told, "date_done": bool(told["date_done"])}


def timeless(run: Run) -> Run:
    """A record with every time replaced by whether there is one, and no sequence number."""
    return replace(
        run,
        sequence=0,
        submitted_at=_SOMETIME,
        ready_at=run.ready_at and _SOMETIME,
        started_at=run.started_at and _SOMETIME,
        finished_at=run.finished_at and _SOMETIME,
        not_before=run.not_before and _SOMETIME,
        suspect_at=run.suspect_at and _SOMETIME,
    )


def _timeless(pause: ops.Pause | None) -> ops.Pause | None:
    return pause and replace(pause, since=_SOMETIME)


def counted(counters: Mapping[str, float]) -> dict[str, float]:
    """The counters that do not depend on how long things took."""
    timed = ("_bucket|", "_sum|")
    return {
        name: value
        for name, value in counters.items()
        if value and not any(part in name for part in timed)
    }
