"""A ledger under test: any adapter, with short words for its operations and power over its server.

The words make tests readable and decide nothing; what a test is about it says with `execute`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from support.redis_servers import REDIS, VALKEY, RedisServer

from singletrack import operations as ops
from singletrack.adapters.memory import MemoryLedger
from singletrack.adapters.memory.ledger import system_micros
from singletrack.adapters.redis_ledger import Keys, RedisLedger
from singletrack.ledger import Ledger
from singletrack.lifecycle import State
from singletrack.operations import Grant, Operation, Verdict
from singletrack.run import Cancellation, Failure, Outcome, Run, RunSpec
from singletrack.settings import Durability, LedgerSettings

R = TypeVar("R")

MEMORY = "memory"

#: What the suite runs on: parameters of a fixture, so that `-m "not redis"` leaves memory alone.
ADAPTERS = [
    MEMORY,
    pytest.param(VALKEY, marks=pytest.mark.redis),
    pytest.param(REDIS, marks=pytest.mark.redis),
]

PATIENCE_SECONDS = 60.0

#: Workers and operators of other tests are at work in database 0 of the shared servers.
DATABASE = 1

LOCK = "default/reports"
WORKER = "worker-1"


class LedgerUnderTest(ABC):
    """One adapter, blessed and empty; `queue` is a broker queue of its own."""

    def __init__(self, ledger: Ledger, queue: str) -> None:
        self.ledger = ledger
        self.queue = queue
        self._empty = self.snapshot()
        self._nonces = 0
        self.bless()

    # --- operations -------------------------------------------------------------------------------

    def execute(self, operation: Operation[R]) -> R:
        return self.ledger.execute(operation)

    def spec(self, run_id: str, **changes: Any) -> RunSpec:
        fields = {"task": "report", "lock": LOCK, "queue": self.queue, "envelope": f"to {run_id}"}
        return RunSpec(run_id=run_id, **fields | changes)

    def submit(self, run_id: str, *, push: bool = False, **changes: Any) -> ops.Submission:
        return self.execute(ops.Submit(spec=self.spec(run_id, **changes), push=push))

    def start(self, run_id: str, nonce: str = "n") -> ops.StartReply:
        """As a worker does with a message that we published."""
        return self.execute(ops.Start(run_id=run_id, nonce=nonce, worker=WORKER))

    def start_new(self, run_id: str, nonce: str = "n", **changes: Any) -> ops.StartReply:
        """As a worker does with a producer's message."""
        spec = self.spec(run_id, **changes)
        return self.execute(
            ops.Start(run_id=run_id, nonce=nonce, worker=WORKER, spec=spec, push=True)
        )

    def claim(self, run_id: str) -> Grant:
        reply = self.execute(ops.Claim(run_id=run_id, nonce=self.new_nonce(), worker=WORKER))
        assert reply.grant, f"the claim of {run_id} was answered {reply.verdict}, {reply.state}"
        return reply.grant

    def begin(self, grant: Grant) -> ops.BeginReply:
        return self.execute(ops.Begin(run_id=grant.run_id, nonce=grant.nonce))

    def fail(self, grant: Grant, reason: str = "TaskError", **said: Any) -> ops.EndReply:
        failure = Failure(reason=reason, message=f"attempt {grant.attempt} failed")
        outcome = Outcome(state=State.FAILED, failure=failure, **said)
        return self.execute(ops.Finish(run_id=grant.run_id, nonce=grant.nonce, outcome=outcome))

    def finish(
        self, grant: Grant, state: State = State.SUCCEEDED, result: str | None = None
    ) -> ops.EndReply:
        outcome = Outcome(state=state, result=result)
        return self.execute(ops.Finish(run_id=grant.run_id, nonce=grant.nonce, outcome=outcome))

    def cancel(
        self, run_id: str, by: str = "somebody", reason: str = "", grace: float = 30.0
    ) -> ops.EndReply:
        cancellation = Cancellation(by=by, reason=reason, grace_seconds=grace)
        return self.execute(ops.Cancel(run_id=run_id, cancellation=cancellation))

    def not_started(self, grant: Grant) -> ops.EndReply:
        return self.execute(ops.NotStarted(run_id=grant.run_id, nonce=grant.nonce))

    def expire(self, grant: Grant, lease_seq: int = 1) -> ops.EndReply:
        return self.execute(ops.Expire(run_id=grant.run_id, nonce=grant.nonce, lease_seq=lease_seq))

    def reassert(
        self, grant: Grant, outcome: Outcome | None = None, **changes: Any
    ) -> ops.EndReply:
        spec = self.spec(grant.run_id, **changes)
        return self.execute(ops.Reassert(spec=spec, grant=grant, worker=WORKER, outcome=outcome))

    def child_gone(self, grant: Grant, cause: ops.Cause = ops.Cause.DIED) -> ops.EndReply:
        return self.execute(ops.ChildGone(run_id=grant.run_id, nonce=grant.nonce, cause=cause))

    def bless(self) -> None:
        server_id = self.execute(ops.ReadServer()).server_id
        assert self.execute(ops.Bless(server_id=server_id))

    # --- runs in a state --------------------------------------------------------------------------

    def claimed(self, run_id: str, **changes: Any) -> Grant:
        self.submit(run_id, **changes)
        return self.claim(run_id)

    def running(self, run_id: str, **changes: Any) -> Grant:
        grant = self.claimed(run_id, **changes)
        assert self.begin(grant).verdict is Verdict.OK
        return grant

    def finished(self, run_id: str, **changes: Any) -> Grant:
        grant = self.running(run_id, **changes)
        self.finish(grant)
        return grant

    # --- what can be seen -------------------------------------------------------------------------

    def run(self, run_id: str) -> Run:
        run = self.execute(ops.GetRun(run_id=run_id))
        assert run, f"there is no record of {run_id}"
        return run

    def state(self, run_id: str) -> State:
        return self.run(run_id).state

    def lock(self, key: str = LOCK) -> ops.LockStatus:
        return self.execute(ops.GetLock(lock=key))

    def told(self, run_id: str) -> Any:
        """What Celery's clients find under the result key of this run; None for nothing."""
        text = self.celery_result(run_id)
        return json.loads(text[0]) if text else None

    def due(self) -> list[str]:
        return [run.run_id for run in self.execute(ops.ListDue())]

    def new_nonce(self) -> str:
        self._nonces += 1
        return f"nonce-{self._nonces}"

    # --- power over the server --------------------------------------------------------------------

    def wipe(self) -> None:
        """Come back unblessed and with nothing."""
        self.restart(back_to=self._empty)

    @abstractmethod
    def snapshot(self) -> Any:
        """What a replica would have kept."""

    @abstractmethod
    def everything(self) -> Any:
        """All that is written down, to be compared with what is later."""

    @abstractmethod
    def restart(self, back_to: Any = None) -> None:
        """Come back unblessed; with a snapshot, as a replica that was behind."""

    @abstractmethod
    def messages(self) -> list[str]:
        """What was pushed to the broker queue, oldest first."""

    @abstractmethod
    def next_look(self, run_id: str) -> int:
        """When publishing of a READY run is looked at again, by the server's clock in ms."""

    @abstractmethod
    def celery_result(self, run_id: str) -> Any:
        """The text under Celery's result key of a run and for how many ms yet; None for none."""

    @abstractmethod
    def close(self) -> None: ...


class InMemory(LedgerUnderTest):
    def __init__(self, queue: str, micros: Callable[[], int] = system_micros) -> None:
        self.memory = MemoryLedger(micros=micros, blessed=False)
        super().__init__(self.memory, queue)

    def snapshot(self) -> Any:
        return self.memory.snapshot()

    def everything(self) -> Any:
        book = self.memory.snapshot()
        book.micros = 0  # the clock of the last operation, also of one that only reads
        fields = {name: getattr(book, name) for name in book.__slots__}
        return fields | {"counters": vars(book.counters)}

    def restart(self, back_to: Any = None) -> None:
        self.memory.restart(back_to=back_to)

    def messages(self) -> list[str]:
        return list(self.memory.messages(self.queue))

    def next_look(self, run_id: str) -> int:
        return self.memory.snapshot().records[run_id].due_at

    def celery_result(self, run_id: str) -> Any:
        return self.memory.celery_result(run_id)

    def close(self) -> None:
        self.memory.close()


class OnServer(LedgerUnderTest):
    """The functions on a real server, in a key space of their own.

    The server stays up: a restart is shown to the functions as a blessing of another server.
    """

    def __init__(
        self, server: RedisServer, prefix: str, durability: Durability = Durability.STRICT
    ) -> None:
        self.keys = Keys(prefix)
        self.url = server.url_of(DATABASE)
        # A busy machine is no lost server.
        self.client = server.client(DATABASE, socket_timeout=PATIENCE_SECONDS)
        self._binary: Any = server.client(
            DATABASE, socket_timeout=PATIENCE_SECONDS, decode_responses=False
        )
        ledger = RedisLedger.from_settings(
            LedgerSettings(
                redis_url=self.url,
                key_prefix=prefix,
                ledger_timeout_seconds=PATIENCE_SECONDS,
                durability=durability,
            )
        )
        ledger.prepare()
        super().__init__(ledger, queue=f"queue-{prefix}")

    def snapshot(self) -> Any:
        return {key: self._binary.dump(key) for key in self._names()}

    def everything(self) -> Any:
        """Every key of the database, not only the ledger's own."""
        return {key: self._binary.dump(key) for key in self._binary.keys("*")}

    def restart(self, back_to: Any = None) -> None:
        if back_to is not None:
            self._forget_everything()
            for key, value in back_to.items():
                self._binary.restore(key, 0, value)
        if self.client.hexists(self.keys.meta, "blessed"):
            self.client.hset(self.keys.meta, "blessed", "a server that was")

    def messages(self) -> list[str]:
        return [str(text) for text in self.client.lrange(self.queue, 0, -1)][::-1]

    def next_look(self, run_id: str) -> int:
        return int(self.client.zscore(f"{self.keys.base}due", run_id))

    def celery_result(self, run_id: str) -> Any:
        key = f"celery-task-meta-{run_id}"
        text = self.client.get(key)
        return (str(text), self.client.pttl(key)) if text else None

    def close(self) -> None:
        self._forget_everything()
        self.client.delete(self.queue)
        self.ledger.close()

    def _names(self) -> list[bytes]:
        told: list[bytes] = self._binary.keys("celery-task-meta-*")  # no part of the key space
        return self._binary.keys(f"{self.keys.base}*") + told

    def _forget_everything(self) -> None:
        if names := self._names():
            self._binary.delete(*names)
