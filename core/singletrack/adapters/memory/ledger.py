"""The synchronous memory ledger: one lock around one table of handlers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any, TypeVar

from singletrack import operations as ops
from singletrack.adapters.memory import (
    keeping,
    pausing,
    previewing,
    reading,
    recovering,
    running,
    submitting,
)
from singletrack.adapters.memory.book import Book
from singletrack.operations import Operation

R = TypeVar("R")

#: Every operation, in the order of `singletrack.operations`.
HANDLERS: dict[type, Callable[[Book, Any], Any]] = {
    ops.Submit: submitting.submit,
    ops.Published: submitting.published,
    ops.Start: running.start,
    ops.Claim: running.claim,
    ops.Begin: running.begin,
    ops.Report: running.report,
    ops.Finish: running.finish,
    ops.NotStarted: running.not_started,
    ops.ChildGone: running.child_gone,
    ops.Cancel: running.cancel,
    ops.Delete: running.delete,
    ops.Prioritise: running.prioritise,
    ops.Renew: keeping.renew,
    ops.AgentGone: keeping.agent_gone,
    ops.Expire: keeping.expire,
    ops.ConfirmDead: keeping.confirm_dead,
    ops.ReleaseLock: keeping.release_lock,
    ops.ExpireWait: keeping.expire_wait,
    ops.Promote: keeping.promote,
    ops.PauseLock: pausing.pause_lock,
    ops.ResumeLock: pausing.resume_lock,
    ops.PauseQueue: pausing.pause_queue,
    ops.ResumeQueue: pausing.resume_queue,
    ops.GetPauses: pausing.get_pauses,
    ops.GetQueue: pausing.get_queue,
    ops.Reassert: recovering.reassert,
    ops.Settle: recovering.settle,
    ops.Bless: recovering.bless,
    ops.Unbless: recovering.unbless,
    ops.AckProjection: keeping.ack_projection,
    ops.Forget: keeping.forget,
    ops.AddUp: keeping.add_up,
    ops.RegisterTasks: keeping.register_tasks,
    ops.GetRun: reading.get_run,
    ops.ListRuns: reading.list_runs,
    ops.ListNamespaces: reading.list_namespaces,
    ops.LatestRun: reading.latest_run,
    ops.Preview: previewing.preview,
    ops.GetLock: reading.get_lock,
    ops.ListLocks: reading.list_locks,
    ops.ListPausedQueues: pausing.list_paused_queues,
    ops.ListDue: reading.list_due,
    ops.ListLeases: reading.list_leases,
    ops.ListOverdue: reading.list_overdue,
    ops.ListWaitingLocks: reading.list_waiting_locks,
    ops.ListUnprojected: reading.list_unprojected,
    ops.ListForgettable: reading.list_forgettable,
    ops.ListTasks: reading.list_tasks,
    ops.ReadCounters: reading.read_counters,
    ops.ReadServer: reading.read_server,
}


def system_micros() -> int:
    """Microseconds since the epoch by the machine's wall clock."""
    return time.time_ns() // 1000


class MemoryLedger:
    """A ledger that lives as long as the process; see `singletrack.ledger.Ledger`.

    `micros` is its clock, in microseconds. Unless `blessed` is False it serves claims from the
    start.
    """

    def __init__(self, *, micros: Callable[[], int] = system_micros, blessed: bool = True) -> None:
        self._micros = micros
        self._lock = threading.RLock()
        self._starts = 1
        self._listeners: list[Callable[[], None]] = []
        self._book = Book(server_id="memory-1", blessed_id="memory-1" if blessed else "")

    def execute(self, operation: Operation[R]) -> R:
        """Perform one operation; see `singletrack.ledger.Ledger`."""
        handler = HANDLERS[type(operation)]
        with self._lock:
            changes = len(self._book.changes)
            self._book.micros = self._micros()
            reply: R = handler(self._book, operation)
            if len(self._book.changes) > changes:
                for heard in self._listeners:
                    heard()
            return reply

    def execute_durably(self, operation: Operation[R]) -> R:
        """The same as `execute`: there is no crash that could forget it (but see `restart`)."""
        return self.execute(operation)

    def ask_durably(self, operation: Operation[R]) -> Callable[[], R]:
        """The same as `execute_durably`; the write is performed when its answer is asked for."""
        return partial(self.execute_durably, operation)

    def close(self) -> None:
        """Nothing is open; the ledger can still be read."""

    # --- what tests do to it ----------------------------------------------------------------------

    def snapshot(self) -> Book:
        """What a replica would have kept, had the ledger stopped now; for `restart`."""
        with self._lock:
            return deepcopy(self._book)

    def restart(self, *, lose: Collection[str] = (), back_to: Book | None = None) -> None:
        """Come back as another server, unblessed: the runs in `lose` are forgotten.

        With `back_to`, everything since that snapshot is, as after a failover to a replica that
        was behind.
        """
        with self._lock:
            self._starts += 1
            self._book = deepcopy(back_to or self._book)
            self._book.server_id = f"memory-{self._starts}"
            for run_id in lose:
                self._book.records.pop(run_id, None)

    def messages(self, queue: str) -> Sequence[str]:
        """The envelopes pushed to a broker queue, oldest first."""
        with self._lock:
            return tuple(self._book.messages.get(queue, ()))

    def celery_result(self, run_id: str) -> tuple[str, int] | None:
        """What a server would have under `celery-task-meta-<id>`, and for how many ms yet."""
        with self._lock:
            return self._book.celery.find(run_id, self._micros() // 1000)

    # --- hints ------------------------------------------------------------------------------------

    def changes_since(self, position: int | None) -> tuple[int, Sequence[str]]:
        """The present position, and the runs changed after another one, each once."""
        with self._lock:
            changes = self._book.changes
            missed = [] if position is None else changes[position:]
            return len(changes), list(dict.fromkeys(missed))

    @contextmanager
    def listening(self, heard: Callable[[], None]) -> Iterator[None]:
        """Call `heard` at every change, in the thread that makes it."""
        with self._lock:
            self._listeners.append(heard)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(heard)
