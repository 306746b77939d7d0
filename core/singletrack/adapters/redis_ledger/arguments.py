"""What each function of the library is called with: from an operation to a list of texts. Pure."""

from __future__ import annotations

from typing import Any

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import records
from singletrack.pods import Pod
from singletrack.run import Failure, Outcome, RunSpec


def submit(op: ops.Submit) -> list[str]:
    return submission(op.spec, push=op.push)


def start(op: ops.Start) -> list[str]:
    who = [op.nonce, op.worker, pod(op.pod)]
    return [*who, *(submission(op.spec, push=op.push) if op.spec else [op.run_id])]


def claim(op: ops.Claim) -> list[str]:
    return [op.run_id, op.nonce, op.worker, pod(op.pod)]


def submission(spec: RunSpec, *, push: bool) -> list[str]:
    head = [spec.run_id, spec.fingerprint, spec.lock, spec.policy, flag(value=push)]
    return [*head, *records.spec_fields(spec)]


def preview(op: ops.Preview) -> list[str]:
    spec = op.spec
    max_queue = "" if spec.max_queue is None else str(spec.max_queue)
    point_ms = str(round(spec.priority_point_seconds * 1000))
    head = [spec.run_id, spec.fingerprint, spec.lock, spec.policy]
    return [*head, max_queue, str(spec.priority), point_ms]


def finish(op: ops.Finish) -> list[str]:
    return [op.run_id, op.nonce, *outcome(op.outcome)]


def outcome(outcome: Outcome | None) -> list[str]:
    """What `note_outcome` of the functions reads; no outcome is ten empty texts."""
    if outcome is None:
        return [""] * 10
    result = ["", ""] if outcome.result is None else ["1", outcome.result]
    failure = outcome.failure
    why = (
        [failure.reason, failure.message, failure.error_type, failure.traceback]
        if failure
        else [""] * 4
    )
    why += exit_of(failure)
    return [outcome.state, *result, *why, records.to_ms(outcome.retry_after_seconds)]


def death(op: ops.ChildGone | ops.ConfirmDead) -> list[str]:
    return [op.run_id, op.nonce, op.cause, op.message, *exit_of(op)]


def exit_of(ended: Failure | ops.ChildGone | ops.ConfirmDead | None) -> tuple[str, str]:
    return ended.exit.write() if ended and ended.exit else ("", "")


def cancel(op: ops.Cancel | ops.Delete) -> list[str]:
    asked = op.cancellation
    return [op.run_id, asked.by, asked.reason, str(round(asked.grace_seconds * 1000))]


def renew(op: ops.Renew) -> list[str]:
    leases = [text for lease in op.leases for text in lease]
    return [op.agent, str(op.token), op.reported_to, *leases]


def reassert(op: ops.Reassert) -> list[str]:
    spec, grant = op.spec, op.grant
    who = [grant.run_id, grant.nonce, str(grant.token), str(grant.attempt), op.worker]
    who.append(pod(op.pod))
    run = [spec.fingerprint, spec.lock, spec.policy, ""]
    return [*who, *run, *outcome(op.outcome), *records.spec_fields(spec)]


def list_runs(op: ops.ListRuns) -> list[str]:
    return [op.namespace, str(op.limit), str(op.before), *records.LIST_FIELDS]


def pod(where: Pod | None) -> str:
    return where.write() if where else ""


def flag(*, value: bool) -> str:
    return "1" if value else ""


def limit(op: Any) -> list[str]:
    return [str(op.limit)]


def claim_of(op: Any) -> list[str]:
    return [op.run_id, op.nonce]


def nothing(_op: Any) -> list[str]:
    return []
