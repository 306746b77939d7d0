"""How each function's reply is read: from the server's texts to the operation's answer. Pure."""

from __future__ import annotations

from typing import Any

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import records
from singletrack.errors import Holder
from singletrack.lifecycle import State
from singletrack.metrics import counters as metrics
from singletrack.operations import Verdict
from singletrack.pods import Pod
from singletrack.policies import Decision, Refusal
from singletrack.run import Door


def read_state(text: str) -> State | None:
    return State(text) if text else None


def read_holder(run_id: str, name: str) -> Holder | None:
    return Holder(run_id, name) if run_id else None


def submission(_op: Any, reply: list[str]) -> ops.Submission:
    verdict, state, created, holder_id, holder_name = reply
    return ops.Submission(
        verdict=Verdict(verdict),
        state=read_state(state),
        created=created == "1",
        holder=read_holder(holder_id, holder_name),
    )


def forecast(_op: Any, reply: list[Any]) -> ops.Forecast:
    verdict, state, decision, place, refusal, holder_id, holder_name, *victims = reply
    return ops.Forecast(
        verdict=Verdict(verdict),
        decision=Decision(decision) if decision else None,
        state=read_state(state),
        position=int(place) or None,
        refusal=Refusal(refusal) if refusal else None,
        holder=read_holder(holder_id, holder_name),
        victims=tuple(map(Holder, victims[::2], victims[1::2])),
    )


def read_grant(run_id: str, reply: list[str]) -> ops.Grant:
    _ok, _state_now, nonce, token, lock, attempt, timeout_ms, soft_ms, door = reply
    return ops.Grant(
        run_id=run_id,
        nonce=nonce,
        token=int(token),
        lock=lock,
        attempt=int(attempt),
        timeout_seconds=int(timeout_ms) / 1000 if timeout_ms else None,
        soft_timeout_seconds=int(soft_ms) / 1000 if soft_ms else None,
        door=Door(door),
    )


def start_reply(op: ops.Start, reply: list[str]) -> ops.StartReply:
    verdict = Verdict(reply[0])
    grant = read_grant(op.run_id, reply) if verdict is Verdict.OK else None
    return ops.StartReply(verdict=verdict, state=read_state(reply[1]), grant=grant)


def claim_reply(op: ops.Claim, reply: list[str]) -> ops.ClaimReply:
    verdict = Verdict(reply[0])
    grant = read_grant(op.run_id, reply) if verdict is Verdict.OK else None
    return ops.ClaimReply(verdict=verdict, state=read_state(reply[1]), grant=grant)


def begin_reply(_op: Any, reply: list[str]) -> ops.BeginReply:
    return ops.BeginReply(verdict=Verdict(reply[0]), attempt=int(reply[1] or 0))


def end_reply(_op: Any, reply: list[str]) -> ops.EndReply:
    return ops.EndReply(verdict=Verdict(reply[0]), state=read_state(reply[1]))


def run(op: ops.GetRun, reply: Any) -> Any:
    fields = records.pairs(reply)
    return records.read_run(op.run_id, fields) if fields.get("state") else None


def runs(_op: Any, reply: list[Any]) -> Any:
    found = []
    for run_id, values in reply:
        fields = dict(zip(records.LIST_FIELDS, values, strict=True))
        if fields["state"]:
            found.append(records.read_run(run_id, fields))
    return tuple(found)


def renew_reply(op: ops.Renew, reply: list[str]) -> ops.RenewReply:
    answers = []
    blessed, server_id, known, *verdicts = reply
    for index, (run_id, nonce) in enumerate(op.leases):
        verdict, by, reason, grace = verdicts[4 * index : 4 + 4 * index]
        fields = {"cancel_by": by, "cancel_reason": reason, "cancel_grace_ms": grace}
        answers.append(
            ops.LeaseAnswer(
                run_id=run_id,
                nonce=nonce,
                verdict=Verdict(verdict),
                cancellation=records.read_cancellation(fields),
            )
        )
    return ops.RenewReply(
        blessed=blessed == "1",
        server_id=server_id,
        known=known == "1",
        answers=tuple(answers),
    )


def release_reply(_op: Any, reply: list[str]) -> ops.ReleaseReply:
    verdict, state, run_id = reply
    return ops.ReleaseReply(verdict=Verdict(verdict), run_id=run_id, state=read_state(state))


def lock_status(op: ops.GetLock, reply: list[str]) -> ops.LockStatus:
    owner, token, pause, *waiting = reply
    return ops.LockStatus(
        key=op.lock,
        owner=owner or None,
        token=int(token),
        waiting=tuple(waiting),
        pause=records.read_pause(pause),
    )


def pauses(_op: Any, reply: list[str]) -> ops.Pauses:
    lock, queue = map(records.read_pause, reply)
    return ops.Pauses(lock=lock, queue=queue)


def queue_status(op: ops.GetQueue, reply: list[Any]) -> ops.QueueStatus:
    pause, parked = reply
    return ops.QueueStatus(name=op.queue, pause=records.read_pause(pause), parked=int(parked))


def lock_summaries(_op: Any, reply: list[Any]) -> tuple[ops.LockSummary, ...]:
    return tuple(
        ops.LockSummary(
            key=key,
            holder=read_holder(run_id, name),
            token=int(token),
            suspect=suspect == "1",
            waiting=int(waiting),
            pause=records.read_pause(pause),
        )
        for key, run_id, name, token, suspect, waiting, pause in reply
    )


def paused_queues(_op: Any, reply: list[Any]) -> tuple[ops.QueueStatus, ...]:
    return tuple(
        ops.QueueStatus(name=name, pause=records.read_pause(pause), parked=int(parked))
        for name, pause, parked in reply
    )


def due(_op: Any, reply: list[Any]) -> tuple[ops.DueRun, ...]:
    return tuple(
        ops.DueRun(run_id=run_id, publications=int(count), queue=queue, envelope=envelope)
        for run_id, count, queue, envelope in reply
    )


def leases(_op: Any, reply: list[Any]) -> tuple[ops.LeaseView, ...]:
    return tuple(
        ops.LeaseView(
            run_id=run_id,
            nonce=nonce,
            lease_seq=int(seq),
            state=State(state),
            pod=Pod.read(pod),
            suspect=suspect == "1",
        )
        for run_id, nonce, seq, state, pod, suspect in reply
        if state
    )


def server(_op: Any, reply: list[str]) -> ops.ServerStatus:
    server, blessed, version, flavour, eviction, aof, replicas, fsync, *rest = reply
    micros, emptied, blessed_at, *agents = rest
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
        emptied=emptied == "1",
        blessed_at=int(blessed_at),
    )


def counters(_op: Any, reply: Any) -> dict[str, float]:
    stored, counted, read, labels = reply
    numbers = {field: int(text) for field, text in records.pairs(stored).items()}
    for field, text in records.pairs(counted).items():
        numbers[field] = numbers.get(field, 0) + int(text)
    gauges = {field: float(value) for field, value in records.pairs(read).items()}
    return metrics.read(numbers, labels) | gauges


def ids(_op: Any, reply: list[str]) -> tuple[str, ...]:
    return tuple(reply)


def one(_op: Any, reply: Any) -> bool:
    return int(reply) == 1


def none(_op: Any, _reply: Any) -> None:
    return None
