"""The reads: each answers from what is written down, none changes anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from singletrack import operations as ops
from singletrack.adapters.memory.book import Book, Record
from singletrack.adapters.memory.times import from_time
from singletrack.errors import Holder
from singletrack.lifecycle import LEASED, LIVE, OWNING, TERMINAL, State
from singletrack.run import Run


def get_run(book: Book, op: ops.GetRun) -> Run | None:
    record = book.find(op.run_id)
    if record is None:
        return None
    return _husk(record.run) if record.run.gone else record.run


def list_runs(book: Book, op: ops.ListRuns) -> tuple[Run, ...]:
    runs = [record.run for record in book.records.values() if not record.run.gone]
    found = [
        run
        for run in runs
        if run.spec.namespace == op.namespace and (not op.before or run.sequence < op.before)
    ]
    found.sort(key=lambda run: run.sequence, reverse=True)
    return tuple(_without_large_fields(run) for run in found[: op.limit])


def _husk(run: Run) -> Run:
    spec = replace(run.spec, args=(), kwargs={})
    failure = replace(run.failure, message="", traceback="") if run.failure else None
    return replace(run, spec=spec, result=None, failure=failure, progress=None)


def _without_large_fields(run: Run) -> Run:
    spec = replace(run.spec, args=(), kwargs={}, envelope="")
    failure = replace(run.failure, traceback="") if run.failure else None
    return replace(run, spec=spec, result=None, failure=failure)


def list_namespaces(book: Book, _op: ops.ListNamespaces) -> tuple[str, ...]:
    listed = (record for record in book.records.values() if not record.run.gone)
    return tuple({record.run.spec.namespace for record in listed})


def latest_run(book: Book, op: ops.LatestRun) -> str | None:
    return book.latest.get(op.namespace)


def get_lock(book: Book, op: ops.GetLock) -> ops.LockStatus:
    owner = book.owner(op.lock)
    return ops.LockStatus(
        key=op.lock,
        owner=owner.run.run_id if owner else None,
        token=owner.run.token if owner else 0,
        waiting=tuple(record.run.run_id for record in book.waiting(op.lock)),
        pause=book.paused_locks.get(op.lock),
    )


def list_locks(book: Book, op: ops.ListLocks) -> tuple[ops.LockSummary, ...]:
    living = {record.run.spec.lock for record in book.in_state(*LIVE)}
    start = f"{op.namespace}/"
    keys = sorted(key for key in living | book.paused_locks.keys() if key.startswith(start))
    return tuple(_summary(book, key) for key in [k for k in keys if k > op.after][: op.limit])


def _summary(book: Book, key: str) -> ops.LockSummary:
    owner = book.owner(key)
    return ops.LockSummary(
        key=key,
        holder=Holder(owner.run.run_id, owner.run.spec.name) if owner else None,
        token=owner.run.token if owner else 0,
        suspect=owner is not None and owner.run.suspect,
        waiting=len(book.waiting(key)),
        pause=book.paused_locks.get(key),
    )


def list_due(book: Book, op: ops.ListDue) -> tuple[ops.DueRun, ...]:
    ready = (record for record in book.in_state(State.READY) if not book.is_parked(record))
    due = [record for record in ready if record.due_at <= book.now]
    return tuple(
        ops.DueRun(
            run_id=record.run.run_id,
            publications=record.run.publications,
            queue=record.run.spec.queue,
            envelope=record.run.spec.envelope,
        )
        for record in _first(due, op.limit, key=lambda record: record.due_at)
    )


def list_leases(book: Book, _op: ops.ListLeases) -> tuple[ops.LeaseView, ...]:
    return tuple(
        ops.LeaseView(
            run_id=record.run.run_id,
            nonce=record.run.nonce,
            lease_seq=record.run.lease_seq,
            state=record.run.state,
            pod=record.run.pod,
            suspect=record.run.suspect,
        )
        for record in book.in_state(*LEASED)
    )


def list_overdue(book: Book, op: ops.ListOverdue) -> tuple[str, ...]:
    over = [r for r in book.records.values() if r.deadline is not None and r.deadline <= book.now]
    return _ids(_first(over, op.limit, key=lambda record: record.deadline))


def list_waiting_locks(book: Book, op: ops.ListWaitingLocks) -> tuple[str, ...]:
    waited_for = {record.run.spec.lock for record in book.in_state(State.QUEUED)}
    owned = {record.run.spec.lock for record in book.in_state(*OWNING)}
    return tuple(sorted(waited_for - owned - book.paused_locks.keys())[: op.limit])


def list_unprojected(book: Book, op: ops.ListUnprojected) -> tuple[str, ...]:
    unshown = [record for record in book.records.values() if record.unshown is not None]
    return _ids(_first(unshown, op.limit, key=lambda record: record.unshown))


def list_forgettable(book: Book, op: ops.ListForgettable) -> tuple[str, ...]:
    over = [record for record in book.in_state(*TERMINAL) if record.forget_at <= book.now]
    return _ids(_first(over, op.limit, key=lambda record: record.forget_at))


def list_tasks(book: Book, _op: ops.ListTasks) -> Mapping[str, str]:
    return dict(book.tasks)


def read_counters(book: Book, _op: ops.ReadCounters) -> Mapping[str, float]:
    records = book.records.values()
    numbers = {
        "paused|kind=lock": len(book.paused_locks),
        "paused|kind=queue": len(book.paused_queues),
        "locks_suspect": sum(record.run.suspect for record in records),
    }
    read_off = {
        "ledger_blessed": float(book.blessed),
        "runs_kept": float(sum(record.run.terminal for record in records)),
        "runs_unprojected": float(sum(record.unshown is not None for record in records)),
    }
    gauges = {name: float(number) for name, number in numbers.items() if number}
    counted = book.counters.read((record.labels, record.run.state) for record in records)
    return counted | gauges | read_off | _longest_running(book)


def _longest_running(book: Book) -> dict[str, float]:
    found: dict[str, float] = {}
    for record in book.in_state(State.RUNNING):
        field = f"longest_running_seconds|queue={record.labels.queue}"
        started = record.run.started_at
        ms = book.now - from_time(started) if started else 0
        found[field] = max(found.get(field, 0.0), ms / 1000)
    return found


def read_server(book: Book, _op: ops.ReadServer) -> ops.ServerStatus:
    """As a server that keeps what it has acknowledged would answer."""
    return ops.ServerStatus(
        server_id=book.server_id,
        blessed_id=book.blessed_id,
        version="1",
        flavour="memory",
        eviction_policy="noeviction",
        aof_enabled=True,
        replicas=0,
        fsync="always",
        agents=dict(book.agents),
        micros=book.micros,
        blessed_at=book.blessed_at,
        emptied=book.past and not book.blessed_id,
    )


def _first(records: list[Record], limit: int, key: Callable[[Record], Any]) -> list[Record]:
    """The first by `key`, ties in the order of their ids."""
    return sorted(records, key=lambda record: (key(record), record.run.run_id))[:limit]


def _ids(records: list[Record]) -> tuple[str, ...]:
    return tuple(record.run.run_id for record in records)
