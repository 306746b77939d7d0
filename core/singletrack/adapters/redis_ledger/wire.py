"""One pure encode and decode per operation.

`encode(operation)` says which function to call with what, and how to read its answer. The sync and
the asyncio client both use it; nothing here does any input or output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import arguments, records, replies
from singletrack.operations import Operation, Verdict

R = TypeVar("R")
Arguments = Callable[[Any], list[str]]
Decode = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Call(Generic[R]):
    """A function call: its operation's name, its arguments, how to read the reply."""

    function: str
    arguments: Sequence[str]
    decode: Callable[[Any], R]


def encode(operation: Operation[R]) -> Call[R]:
    """The call that performs an operation."""
    write, decode = _TABLE[type(operation)]
    return Call(ops.describe(operation), write(operation), partial(decode, operation))


_TABLE: dict[type, tuple[Arguments, Decode]] = {
    ops.Submit: (arguments.submit, replies.submission),
    ops.Published: (
        lambda op: [op.run_id, str(op.publications), arguments.flag(value=op.push)],
        replies.one,
    ),
    ops.Start: (arguments.start, replies.start_reply),
    ops.Claim: (arguments.claim, replies.claim_reply),
    ops.Begin: (arguments.claim_of, replies.begin_reply),
    ops.Report: (
        lambda op: [op.run_id, op.nonce, records.write_progress(op.progress)],
        lambda _op, reply: Verdict(reply),
    ),
    ops.Finish: (arguments.finish, replies.end_reply),
    ops.NotStarted: (arguments.claim_of, replies.end_reply),
    ops.ChildGone: (arguments.death, replies.end_reply),
    ops.Cancel: (arguments.cancel, replies.end_reply),
    ops.Delete: (arguments.cancel, replies.end_reply),
    ops.Prioritise: (lambda op: [op.run_id, str(op.priority)], replies.end_reply),
    ops.Renew: (arguments.renew, replies.renew_reply),
    ops.AgentGone: (lambda op: [op.agent], replies.none),
    ops.Expire: (lambda op: [op.run_id, op.nonce, str(op.lease_seq)], replies.end_reply),
    ops.ConfirmDead: (arguments.death, replies.end_reply),
    ops.ReleaseLock: (
        lambda op: [op.lock, str(op.token), op.by, op.reason],
        replies.release_reply,
    ),
    ops.ExpireWait: (lambda op: [op.run_id], replies.end_reply),
    ops.Promote: (lambda op: [op.lock], replies.one),
    ops.PauseLock: (lambda op: [op.lock, op.by, op.reason], replies.one),
    ops.ResumeLock: (lambda op: [op.lock], replies.one),
    ops.PauseQueue: (lambda op: [op.queue, op.by, op.reason], replies.one),
    ops.ResumeQueue: (lambda op: [op.queue], replies.one),
    ops.GetPauses: (lambda op: [op.lock, op.queue], replies.pauses),
    ops.GetQueue: (lambda op: [op.queue], replies.queue_status),
    ops.Reassert: (arguments.reassert, replies.end_reply),
    ops.Settle: (lambda op: [op.run_id, *arguments.outcome(op.outcome)], replies.end_reply),
    ops.Bless: (lambda op: [op.server_id, str(op.token_floor)], replies.one),
    ops.Unbless: (lambda _op: [ops.WITHDRAWN], replies.none),
    ops.AckProjection: (lambda op: [op.run_id, str(op.revision)], replies.one),
    ops.Forget: (lambda op: [op.run_id], replies.one),
    ops.AddUp: (arguments.nothing, replies.none),
    ops.RegisterTasks: (
        lambda op: [
            *(str(len(op.queues)), *op.queues),
            *(text for entry in op.entries.items() for text in entry),
        ],
        replies.none,
    ),
    ops.GetRun: (lambda op: [op.run_id], replies.run),
    ops.ListRuns: (arguments.list_runs, replies.runs),
    ops.ListNamespaces: (arguments.nothing, replies.ids),
    ops.LatestRun: (lambda op: [op.namespace], lambda _op, reply: reply),
    ops.Preview: (arguments.preview, replies.forecast),
    ops.GetLock: (lambda op: [op.lock], replies.lock_status),
    ops.ListLocks: (
        lambda op: [op.namespace, str(op.limit), op.after],
        replies.lock_summaries,
    ),
    ops.ListPausedQueues: (arguments.nothing, replies.paused_queues),
    ops.ListDue: (arguments.limit, replies.due),
    ops.ListLeases: (arguments.nothing, replies.leases),
    ops.ListOverdue: (arguments.limit, replies.ids),
    ops.ListWaitingLocks: (arguments.limit, replies.ids),
    ops.ListUnprojected: (arguments.limit, replies.ids),
    ops.ListForgettable: (arguments.limit, replies.ids),
    ops.ListTasks: (arguments.nothing, lambda _op, reply: records.pairs(reply)),
    ops.ReadCounters: (arguments.nothing, replies.counters),
    ops.ReadServer: (arguments.nothing, replies.server),
}
