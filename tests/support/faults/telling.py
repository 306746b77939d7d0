"""What a worker's main holds at this moment, told in its log when SIGUSR2 comes.

A worker under faults has this module among its tasks'. Main may be anywhere when it is asked, even
waiting in the middle of a call, so whatever cannot be looked at is told as that.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from celery import signals
from celery.worker import state
from kombu.transport.redis import Channel, MultiChannelPoller

SIGNAL = signal.SIGUSR2
BEGINNING, END = "--- what main holds", "--- that is all"


def listen(sender: Any, **_: Any) -> None:
    """Called by Celery when a worker begins; `sender` is its controller."""
    main = os.getpid()

    def answer(_number: int, frame: FrameType | None) -> None:
        if os.getpid() == main:  # its children inherit the handler
            os.write(sys.__stderr__.fileno(), tell(sender, frame).encode())  # type: ignore[union-attr]

    signal.signal(SIGNAL, answer)


signals.worker_init.connect(listen, weak=False)


def tell(controller: Any, frame: FrameType | None) -> str:
    """All of it as lines."""
    lines = [f"{BEGINNING} (process {os.getpid()}, {time.time():.3f})"]
    for part in (_requests, _pool, _consumer, _loop, _channels, _pollers):
        lines += [f"{part.__name__.lstrip('_')}:", *_looked_at(part, controller)]
    stack = traceback.format_stack(frame)
    return "\n".join([*lines, "stack:", "".join(stack).rstrip(), END, ""])


def _looked_at(part: Callable[[Any], Iterator[str]], controller: Any) -> list[str]:
    try:
        return [f"    {line}" for line in part(controller)]
    except Exception as error:  # noqa: BLE001 - main may be in the middle of changing it
        return [f"    {error!r}"]


def _requests(controller: Any) -> Iterator[str]:
    yield f"reserved {[each.id for each in state.reserved_requests]}"
    yield f"active {[each.id for each in state.active_requests]}"
    yield f"known {list(state.requests)}"
    semaphore = controller.semaphore
    yield f"semaphore {semaphore!r} of {semaphore.initial_value}, waiting {semaphore._waiting}"


def _pool(controller: Any) -> Iterator[str]:
    pool = controller.pool._pool
    for child in pool._pool:
        pipes = [
            (queue._reader.fileno(), queue._writer.fileno()) for queue in (child.inq, child.outq)
        ]
        yield f"child {child.pid} of pipes in and out {pipes}, exit code {child.exitcode}"
    yield f"outqueues { {fd: each.pid for fd, each in pool._fileno_to_outq.items()} }"
    yield f"inqueues {sorted(pool._all_inqueues)}, busy {sorted(pool._busy_workers)}"
    yield f"writing to {sorted(pool._active_writes)} by {list(pool._active_writers)}"
    yield f"outbound {[each.correlation_id for each in pool.outbound_buffer]}"
    yield f"waiting to start {[each.pid for each in pool._waiting_to_start]}"
    for job in pool._cache.values():
        told = {"accepted": job._accepted, "ready": job.ready(), "child": job._worker_pid}
        for name in ("_write_to", "_scheduled_for"):
            told[name] = getattr(getattr(job, name), "pid", None)
        yield f"job of {job.correlation_id}: {told}"


def _consumer(controller: Any) -> Iterator[str]:
    consumer = controller.consumer
    qos = consumer.qos
    yield f"restarts {consumer.restart_count}, connection {consumer.connection!r}"
    yield f"prefetch {qos and (qos.value, qos.prev)}, initially {consumer.initial_prefetch_count}"
    yield f"consuming by {consumer.task_consumer!r}"


def _loop(controller: Any) -> Iterator[str]:
    hub = controller.hub
    yield f"readers { {fd: _named(cb) for fd, cb in hub.readers.items()} }"
    yield f"writers { {fd: _named(cb) for fd, cb in hub.writers.items()} }"
    yield f"consolidated {sorted(hub.consolidate)}, ready {hub._ready}"
    yield f"each tick {[_named((tick, ())) for tick in hub.on_tick]}"
    for each in hub.timer.queue:
        if not each.entry.canceled:
            yield f"timer {each.entry!r}"


def _named(callback: Any) -> str:
    return getattr(callback[0], "__qualname__", repr(callback[0])) if callback else "-"


def _channels(controller: Any) -> Iterator[str]:
    """All that are still there, of the connection in use and of those before."""
    current = getattr(controller.consumer.task_consumer, "channel", None)
    for channel in (each for each in gc.get_objects() if isinstance(each, Channel)):
        mark = "current " if channel is current else ""
        yield f"{mark}channel {id(channel):#x} of transport {id(channel.connection):#x}"
        yield f"  closed {channel.closed}, consumes {channel.active_queues}"
        qos = channel._qos
        if qos is not None:
            yield f"  has {list(qos._delivered)}, done with {qos._dirty}, may {qos.can_consume()}"
        yield f"  polls {channel._in_poll}, note {getattr(qos, 'singletrack', None)}"


def _pollers(_controller: Any) -> Iterator[str]:
    for cycle in (each for each in gc.get_objects() if isinstance(each, MultiChannelPoller)):
        yield f"poller {id(cycle):#x} of channels {[hex(id(each)) for each in cycle._channels]}"
        yield f"  sockets { {fd: kind for fd, (_, kind) in cycle._fd_to_chan.items()} }"
        yield f"  paused {list(cycle._paused_brpop)}"


def ask(pid: int) -> None:
    """Ask a worker's main for it; the answer comes into its log."""
    os.kill(pid, SIGNAL)
