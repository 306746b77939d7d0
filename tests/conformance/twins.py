"""Two ledgers that must not differ: the memory ledger and the functions on a real server.

Every operation goes to both, at the same moment of one clock, which moves when it is told to. So
answers and records must be equal to the microsecond, however long anything takes. What is left out
is the identity of the server, and the order of what has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from conformance.ledgers import DATABASE, PATIENCE_SECONDS, InMemory, OnServer
from support import server_clock
from support.redis_servers import RedisServer

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import library, wire
from singletrack.errors import LedgerRefused
from singletrack.operations import Operation
from singletrack.settings import Durability

R = TypeVar("R")

#: When every example begins, in microseconds.
DAWN = 1_800_000_000_000_000
STEP = 1_234

_UNORDERED = (ops.ListLeases, ops.ListWaitingLocks)


class Twins:
    """Performs operations on both ledgers and insists on equal answers."""

    def __init__(self, server: RedisServer, prefix: str) -> None:
        self.micros = DAWN
        self.memory = InMemory(f"queue-{prefix}", micros=lambda: self.micros)
        self.server = OnServer(server, prefix, Durability.RELAXED)
        self.highest_token = 0
        self._clock = f"clock-of-{prefix}"
        self._reader: Any = server.client(DATABASE, protocol=2, socket_timeout=PATIENCE_SECONDS)
        server_clock.held(self._reader, self._clock)
        self.pass_time(0)

    def begin_again(self) -> None:
        """Empty, blessed, at dawn."""
        self.pass_time(DAWN - self.micros)
        self.wipe()
        self.highest_token = 0
        self.bless()

    def pass_time(self, micros: int) -> None:
        """Let it be later for both."""
        self.micros += micros
        self._reader.set(self._clock, self.micros)

    def execute(self, operation: Operation[R]) -> R:
        expected, reply = self._perform(operation)
        _insist(operation, expected, reply)
        self._note_token(reply)
        return reply

    def read(
        self, operations: Sequence[Operation[Any]], told: Sequence[str]
    ) -> tuple[dict[Operation[Any], Any], list[str]]:
        """The answers to operations that change nothing, and the runs somebody will look at to
        publish them, now, later, or after a pause. Then it is a little later.

        Of the runs in `told`, what Celery's clients find must be equal too.
        """
        calls = [wire.encode(operation) for operation in operations]
        pipeline = self._reader.pipeline(transaction=False)
        for call in calls:
            name = library.function_name(call.function)
            pipeline.execute_command("FCALL", name, "1", self.server.keys.meta, *call.arguments)
        for name in ("due", f"parked:{self.server.queue}"):
            pipeline.zrange(self.server.keys.base + name, 0, -1)
        pipeline.mget(["no-run", *(f"celery-task-meta-{run_id}" for run_id in told)])
        pipeline.set(self._clock, self.micros + STEP)
        *answers, due, parked, texts, _ = pipeline.execute()
        decoded = [call.decode(answer) for call, answer in zip(calls, answers, strict=True)]
        replies = dict(zip(operations, decoded, strict=True))
        for operation, reply in replies.items():
            _insist(operation, self.memory.execute(operation), reply)
        self._insist_on_told(dict(zip(told, texts[1:], strict=True)))
        self.micros += STEP
        return replies, [*due, *parked]

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

    def _insist_on_told(self, texts: Mapping[str, str | None]) -> None:
        for run_id, text in texts.items():
            expected, found = self.memory.told(run_id), json.loads(text) if text else None
            assert found == expected, f"{run_id}\nmemory told: {expected}\nserver told: {found}"

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
    if isinstance(operation, _UNORDERED):
        return set(reply)
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
        return replace(reply, token=0)
    return reply


def counted(counters: Mapping[str, float]) -> dict[str, float]:
    """What is not there counts as nothing; sums are sums of milliseconds."""
    return {name: rounded for name, value in counters.items() if (rounded := round(value, 3))}
