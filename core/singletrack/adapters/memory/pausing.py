"""How locks and broker queues are paused and resumed."""

from __future__ import annotations

from singletrack import operations as ops
from singletrack.adapters.memory.book import Book
from singletrack.adapters.memory.times import to_time
from singletrack.operations import Pause, QueueStatus


def pause_lock(book: Book, op: ops.PauseLock) -> bool:
    if op.lock in book.paused_locks:
        return False
    book.paused_locks[op.lock] = Pause(by=op.by, reason=op.reason, since=to_time(book.now))
    return True


def resume_lock(book: Book, op: ops.ResumeLock) -> bool:
    ended = book.paused_locks.pop(op.lock, None) is not None
    if ended:
        book.promote(op.lock)
    return ended


def pause_queue(book: Book, op: ops.PauseQueue) -> bool:
    if op.queue in book.paused_queues:
        return False
    book.paused_queues[op.queue] = Pause(by=op.by, reason=op.reason, since=to_time(book.now))
    for record in book.ready_for(op.queue):
        book.park(record)
    return True


def resume_queue(book: Book, op: ops.ResumeQueue) -> bool:
    if book.paused_queues.pop(op.queue, None) is None:
        return False
    for record in book.ready_for(op.queue):
        book.make_due(record)
    return True


def list_paused_queues(book: Book, _op: ops.ListPausedQueues) -> tuple[QueueStatus, ...]:
    return tuple(get_queue(book, ops.GetQueue(queue=name)) for name in sorted(book.paused_queues))


def get_pauses(book: Book, op: ops.GetPauses) -> ops.Pauses:
    return ops.Pauses(lock=book.paused_locks.get(op.lock), queue=book.paused_queues.get(op.queue))


def get_queue(book: Book, op: ops.GetQueue) -> QueueStatus:
    pause = book.paused_queues.get(op.queue)
    parked = len(list(book.ready_for(op.queue))) if pause else 0
    return QueueStatus(name=op.queue, pause=pause, parked=parked)
