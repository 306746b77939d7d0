"""One pure encode and decode per operation.

`encode(operation)` says which function to call with what, and how to read its answer. The sync and
the asyncio client both use it; nothing here does any input or output.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import records
from singletrack.errors import Holder
from singletrack.lifecycle import VIEWS, State
from singletrack.operations import Operation, Verdict
from singletrack.run import Door, encode_json

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
    arguments, decode = _TABLE[type(operation)]
    return Call(ops.describe(operation), arguments(operation), partial(decode, operation))


# --- arguments ------------------------------------------------------------------------------------


def _submit(op: ops.Submit) -> list[str]:
    spec = op.spec
    head = [spec.run_id, spec.fingerprint, spec.lock, spec.policy, _flag(value=op.push)]
    return [*head, op.claim_nonce, op.worker, *records.spec_fields(spec)]


def _finish(op: ops.Finish) -> list[str]:
    outcome = op.outcome
    result = ["", ""] if outcome.result is None else ["1", outcome.result]
    failure = outcome.failure
    why = (
        [failure.reason, failure.message, failure.error_type, failure.traceback]
        if failure
        else [""] * 4
    )
    return [op.run_id, op.nonce, outcome.state, *result, *why, _celery_meta(op)]


def _celery_meta(op: ops.Finish) -> str:
    """What Celery's own JSON result backend would have stored under `celery-task-meta-<id>`."""
    if not op.celery_meta:
        return ""
    outcome, failure = op.outcome, op.outcome.failure
    result: Any = None if outcome.result is None else json.loads(outcome.result)
    if failure:
        module, _, name = failure.error_type.rpartition(".")
        result = {"exc_type": name or failure.reason, "exc_message": [failure.message]}
        result["exc_module"] = module or "builtins"
    return encode_json(
        {
            "task_id": op.run_id,
            "status": VIEWS[outcome.state].celery,
            "result": result,
            "traceback": failure.traceback if failure else None,
            "children": [],
        }
    )


def _cancel(op: ops.Cancel) -> list[str]:
    asked = op.cancellation
    return [op.run_id, asked.by, asked.reason, str(round(asked.grace_seconds * 1000))]


def _renew(op: ops.Renew) -> list[str]:
    return [op.agent, *(text for lease in op.leases for text in lease)]


def _reassert(op: ops.Reassert) -> list[str]:
    spec, grant = op.spec, op.grant
    who = [grant.run_id, grant.nonce, str(grant.token), str(grant.attempt), op.worker]
    return [*who, spec.fingerprint, spec.lock, spec.policy, "", *records.spec_fields(spec)]


def _list_runs(op: ops.ListRuns) -> list[str]:
    return [op.namespace, str(op.limit), str(op.before), *records.LIST_FIELDS]


def _flag(*, value: bool) -> str:
    return "1" if value else ""


def _limit(op: Any) -> list[str]:
    return [str(op.limit)]


def _claim_of(op: Any) -> list[str]:
    return [op.run_id, op.nonce]


def _nothing(_op: Any) -> list[str]:
    return []


# --- replies --------------------------------------------------------------------------------------


def _state(text: str) -> State | None:
    return State(text) if text else None


def _holder(run_id: str, name: str) -> Holder | None:
    return Holder(run_id, name) if run_id else None


def _submission(op: ops.Submit, reply: list[str]) -> ops.Submission:
    verdict, state, created, holder_id, holder_name, *grant = reply
    return ops.Submission(
        verdict=Verdict(verdict),
        state=_state(state),
        created=created == "1",
        holder=_holder(holder_id, holder_name),
        grant=_grant(op.spec.run_id, grant) if grant else None,
    )


def _grant(run_id: str, reply: list[str]) -> ops.Grant:
    _ok, _state_now, nonce, token, lock, attempt, timeout_ms, door = reply
    return ops.Grant(
        run_id=run_id,
        nonce=nonce,
        token=int(token),
        lock=lock,
        attempt=int(attempt),
        timeout_seconds=int(timeout_ms) / 1000 if timeout_ms else None,
        door=Door(door),
    )


def _claim_reply(op: ops.Claim, reply: list[str]) -> ops.ClaimReply:
    verdict = Verdict(reply[0])
    grant = _grant(op.run_id, reply) if verdict is Verdict.OK else None
    return ops.ClaimReply(verdict=verdict, state=_state(reply[1]), grant=grant)


def _begin_reply(_op: Any, reply: list[str]) -> ops.BeginReply:
    return ops.BeginReply(verdict=Verdict(reply[0]), attempt=int(reply[1] or 0))


def _end_reply(_op: Any, reply: list[str]) -> ops.EndReply:
    return ops.EndReply(verdict=Verdict(reply[0]), state=_state(reply[1]))


def _run(op: ops.GetRun, reply: Any) -> Any:
    fields = records.pairs(reply)
    return records.read_run(op.run_id, fields) if fields.get("state") else None


def _runs(_op: Any, reply: list[Any]) -> Any:
    found = []
    for run_id, values in reply:
        fields = dict(zip(records.LIST_FIELDS, values, strict=True))
        if fields["state"]:
            found.append(records.read_run(run_id, fields))
    return tuple(found)


def _renew_reply(op: ops.Renew, reply: list[str]) -> ops.RenewReply:
    answers = []
    for index, (run_id, nonce) in enumerate(op.leases):
        verdict, by, reason, grace = reply[1 + 4 * index : 5 + 4 * index]
        fields = {"cancel_by": by, "cancel_reason": reason, "cancel_grace_ms": grace}
        answers.append(
            ops.LeaseAnswer(
                run_id=run_id,
                nonce=nonce,
                verdict=Verdict(verdict),
                cancellation=records.read_cancellation(fields),
            )
        )
    return ops.RenewReply(blessed=reply[0] == "1", answers=tuple(answers))


def _lock_status(op: ops.GetLock, reply: list[str]) -> ops.LockStatus:
    owner, token, *waiting = reply
    return ops.LockStatus(
        key=op.lock, owner=owner or None, token=int(token), waiting=tuple(waiting)
    )


def _due(_op: Any, reply: list[Any]) -> tuple[ops.DueRun, ...]:
    return tuple(
        ops.DueRun(run_id=run_id, publications=int(count), queue=queue, envelope=envelope)
        for run_id, count, queue, envelope in reply
    )


def _leases(_op: Any, reply: list[Any]) -> tuple[ops.LeaseView, ...]:
    return tuple(
        ops.LeaseView(run_id=run_id, nonce=nonce, lease_seq=int(seq), state=State(state))
        for run_id, nonce, seq, state in reply
        if state
    )


def _server(_op: Any, reply: list[str]) -> ops.ServerStatus:
    server, blessed, version, flavour, eviction, aof, replicas, fsync, micros, *agents = reply
    return ops.ServerStatus(
        server_id=server,
        blessed_id=blessed,
        version=version,
        flavour=flavour,
        eviction_policy=eviction,
        aof_enabled=aof == "1",
        replicas=int(replicas),
        fsync=fsync,
        agents=records.pairs(agents),
        micros=int(micros),
    )


def _counters(_op: Any, reply: Any) -> dict[str, float]:
    return {field: float(value) for field, value in records.pairs(reply).items()}


def _ids(_op: Any, reply: list[str]) -> tuple[str, ...]:
    return tuple(reply)


def _one(_op: Any, reply: Any) -> bool:
    return int(reply) == 1


def _none(_op: Any, _reply: Any) -> None:
    return None


_TABLE: dict[type, tuple[Arguments, Decode]] = {
    ops.Submit: (_submit, _submission),
    ops.Published: (lambda op: [op.run_id, str(op.publications), _flag(value=op.push)], _one),
    ops.Claim: (lambda op: [op.run_id, op.nonce, op.worker], _claim_reply),
    ops.Begin: (_claim_of, _begin_reply),
    ops.Report: (
        lambda op: [op.run_id, op.nonce, records.write_progress(op.progress)],
        lambda _op, reply: Verdict(reply),
    ),
    ops.Finish: (_finish, _end_reply),
    ops.NotStarted: (_claim_of, _end_reply),
    ops.ChildGone: (lambda op: [op.run_id, op.nonce, op.cause, op.message], _end_reply),
    ops.Cancel: (_cancel, _end_reply),
    ops.Renew: (_renew, _renew_reply),
    ops.AgentGone: (lambda op: [op.agent], _none),
    ops.Expire: (lambda op: [op.run_id, op.nonce, str(op.lease_seq)], _end_reply),
    ops.ExpireWait: (lambda op: [op.run_id], _end_reply),
    ops.Promote: (lambda op: [op.lock], _one),
    ops.Reassert: (_reassert, _end_reply),
    ops.Bless: (lambda op: [op.server_id, str(op.token_floor)], _one),
    ops.AckProjection: (lambda op: [op.run_id, str(op.revision)], _one),
    ops.Forget: (lambda op: [op.run_id], _one),
    ops.RegisterTasks: (
        lambda op: [text for entry in op.entries.items() for text in entry],
        _none,
    ),
    ops.GetRun: (lambda op: [op.run_id], _run),
    ops.ListRuns: (_list_runs, _runs),
    ops.LatestRun: (lambda op: [op.namespace], lambda _op, reply: reply),
    ops.GetLock: (lambda op: [op.lock], _lock_status),
    ops.ListDue: (_limit, _due),
    ops.ListLeases: (_nothing, _leases),
    ops.ListOverdue: (_limit, _ids),
    ops.ListWaitingLocks: (_limit, _ids),
    ops.ListUnprojected: (_limit, _ids),
    ops.ListForgettable: (_limit, _ids),
    ops.ListTasks: (_nothing, lambda _op, reply: records.pairs(reply)),
    ops.ReadCounters: (_nothing, _counters),
    ops.ReadServer: (_nothing, _server),
}
