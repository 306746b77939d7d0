"""`/v1` runs: create, list, get, cancel, result."""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from starlette.responses import Response

from singletrack.access import Caller
from singletrack.admission import RunRequest
from singletrack.errors import LedgerError
from singletrack.intake import Accepted
from singletrack.lifecycle import VIEWS, Phase, State
from singletrack.operations import GetRun, ListRuns
from singletrack.pauses import holding_back
from singletrack.retries import Retry
from singletrack.run import Cancellation, Door, Run
from singletrack_api import views
from singletrack_api.dependencies import (
    GUARDS,
    JSON_ONLY,
    Cursor,
    DryRun,
    GivenTrace,
    IdempotencyKey,
    Limit,
    Namespace,
    PartsHere,
    TheRun,
    Wait,
    remember,
)
from singletrack_api.documentation import described, problems
from singletrack_api.errors import NO_RESULT, Refusal
from singletrack_api.joined import outcome
from singletrack_api.pages import paged
from singletrack_api.parts import Parts
from singletrack_api.paths import RUN_ID
from singletrack_api.retry_schemas import RetryRule
from singletrack_api.rights import CallerHere, asker, name_of
from singletrack_api.schemas import (
    CancelRequest,
    ForecastView,
    NotYet,
    RunCreate,
    RunList,
    RunPatch,
    RunPending,
    RunView,
)
from singletrack_api.submitting import submit

RESULT_RETRY_SECONDS = 1

#: Makes run ids from idempotency keys: the same key in the same namespace is the same run.
_KEYS = uuid.uuid5(uuid.NAMESPACE_URL, "https://singletrack.dev/idempotency-key")


async def the_request(
    parts: PartsHere,
    ns: Namespace,
    body: RunCreate,
    caller: CallerHere,
    place: GivenTrace,
    key: IdempotencyKey = None,
) -> RunRequest:
    """What was asked for, as the core understands it.

    What is the same for the same key is the run's id, or with Kubernetes its TaskRun's name.
    """
    run_id = uuid.uuid5(_KEYS, f"{ns}\n{key}") if key else uuid.uuid4()
    return RunRequest(
        run_id=str(run_id),
        task=body.task,
        params=body.params,
        namespace=ns,
        name=f"run-{run_id}" if key and parts.kubernetes else "",
        door=Door.REST,
        queue=body.queue,
        priority=body.priority,
        lock=body.lock.key,
        policy=body.lock.policy,
        max_queue=body.lock.max_queue,
        on_lost=body.lock.on_lost,
        timeout_seconds=body.timeout_seconds,
        soft_timeout_seconds=body.soft_timeout_seconds,
        retry=_retry(body.retry) if body.retry else None,
        start_deadline_seconds=body.start_deadline_seconds,
        queue_timeout_seconds=body.queue_timeout_seconds,
        requested_by=name_of(caller),
        traceparent=place,
        ttl_seconds=body.ttl_seconds_after_finished,
    )


Requested = Annotated[RunRequest, Depends(the_request)]

router = APIRouter(prefix="/v1/namespaces/{ns}/runs", tags=["runs"], dependencies=GUARDS)


@router.post(
    "",
    operation_id="create_run",
    status_code=201,
    response_model=RunView | RunPending,
    responses=described(
        200, RunView | ForecastView, "Nothing new executes: a repeat, Joined, Skipped, or a dry run"
    )
    | problems(400, 404, 409, 413, 415, 422, 429, 503),
    dependencies=JSON_ONLY,
)
async def create_run(
    parts: PartsHere,
    ns: Namespace,
    request: Requested,
    key: IdempotencyKey = None,
    wait: Wait = 0.0,
    dry_run: DryRun = None,
) -> Response:
    """Start a run, or queue it.

    With an `Idempotency-Key` a repeated request is answered with the run of the first one. With
    `Prefer: wait=10` the answer comes at the end of the run, or after ten seconds. With
    `?dryRun=All` nothing happens, and the answer says what would.
    """
    if dry_run:
        return _json(views.forecast_view(await parts.intake.preview(request)))
    accepted = await submit(parts, request)
    view = _pending_view(accepted, ns, request.task)
    with suppress(LedgerError):  # it is accepted, even if nobody can say more of it now
        run = await parts.ledger.execute(GetRun(run_id=accepted.run_id))
        view = await _waited_for(parts, remember(run), wait) if run else view
    headers = {"Location": f"/v1/namespaces/{ns}/runs/{accepted.run_id}"}
    if key and not accepted.submission.created:
        return _json(view, 200, {**headers, "Idempotency-Replayed": "true"})
    executes = accepted.submission.state not in (State.JOINED, State.SKIPPED)
    return _json(view, 201 if executes else 200, headers)


@router.get("", operation_id="list_runs", response_model=RunList, responses=problems(400, 503))
async def list_runs(
    parts: PartsHere, ns: Namespace, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The runs of a namespace, newest first, a page at a time."""
    before = int(cursor, 16) if cursor else 0
    found = await parts.ledger.execute(ListRuns(namespace=ns, limit=limit + 1, before=before))
    page = found[:limit]
    following = f"{page[-1].sequence:x}" if len(found) > limit else None
    items = [views.run_summary(run, await outcome(parts.ledger, run)) for run in page]
    return paged(items, following, f"/v1/namespaces/{ns}/runs", limit)


@router.get(
    f"/{{run_id:{RUN_ID}}}",
    operation_id="get_run",
    response_model=RunView,
    responses=problems(400, 404, 503),
)
async def get_run(parts: PartsHere, run: TheRun, wait: Wait = 0.0) -> Response:
    """One run; with `Prefer: wait=10` at its end, or after ten seconds."""
    return _json(await _waited_for(parts, run, wait))


@router.patch(
    f"/{{run_id:{RUN_ID}}}",
    operation_id="change_run",
    response_model=RunView,
    responses=problems(400, 404, 409, 413, 415, 422, 503),
    dependencies=JSON_ONLY,
)
async def change_run(parts: PartsHere, run: TheRun, body: RunPatch) -> Response:
    """Change the priority of a run that has not started."""
    return _json(await _view(parts, await parts.intake.prioritise(run, body.priority)))


@router.delete(
    f"/{{run_id:{RUN_ID}}}",
    operation_id="delete_run",
    status_code=204,
    response_class=Response,
    responses=described(202, RunView, "The run is being stopped, and deleted at its end")
    | problems(400, 404, 503),
)
async def delete_run(parts: PartsHere, run: TheRun, caller: CallerHere) -> Response:
    """Delete a run, with its parameters and its result: 204 if it is gone, 202 while it is stopped.

    Its id and its `Idempotency-Key` stay used until its record would have been forgotten.
    """
    wish = CancelRequest(reason="the run was deleted")
    left = await parts.intake.delete(run, _cancellation(parts, wish, caller))
    return Response(status_code=204) if left.gone else _json(views.run_view(left), 202)


@router.get(
    f"/{{run_id:{RUN_ID}}}/result",
    operation_id="get_result",
    response_model=Any,
    responses=described(202, NotYet, "The run has not ended; ask again after `Retry-After`")
    | problems(400, 404, 409, 503),
)
async def get_result(parts: PartsHere, run: TheRun, wait: Wait = 0.0) -> Response:
    """What the task returned, as JSON; 202 while the run lives, 409 if it ended without."""
    ended = await parts.waiter.ended(await outcome(parts.ledger, run), wait)
    if ended.state is State.SUCCEEDED:
        return Response(ended.result or "null", media_type="application/json")
    if not ended.terminal:
        headers = {"Retry-After": str(RESULT_RETRY_SECONDS)}
        return _json({"id": run.run_id, "phase": VIEWS[ended.state].phase}, 202, headers)
    view = views.run_view(ended)
    detail = f"run {ended.run_id} ended as {view['phase']} and has no result"
    raise Refusal(NO_RESULT, detail, {"phase": view["phase"], "error": view["error"]})


@router.post(
    f"/{{run_id:{RUN_ID}}}:cancel",
    operation_id="cancel_run",
    status_code=202,
    response_model=RunView,
    responses=described(200, RunView, "The run is over") | problems(400, 404, 413, 415, 422, 503),
    dependencies=JSON_ONLY,
)
async def cancel_run(
    parts: PartsHere,
    run: TheRun,
    caller: CallerHere,
    body: Annotated[CancelRequest | None, Body()] = None,
) -> Response:
    """Ask a run to stop: 200 if it is over already, 202 while its processes are being ended.

    The lock moves on when they are gone. Asking again is fine, and can only make it harder: Force,
    or a shorter grace period, takes effect at once. A run that has ended stays as it is.
    """
    if not run.terminal:
        asked = _cancellation(parts, body or CancelRequest(), caller)
        run = await parts.intake.cancel(run, asked)
    return _json(await _view(parts, run), 200 if run.terminal else 202)


async def _waited_for(parts: Parts, run: Run, wait: float) -> dict[str, Any]:
    """A run at its end, or after so many seconds; a joined one at the end of what it joined."""
    if run.state is not State.JOINED:
        return await _view(parts, await parts.waiter.ended(run, wait))
    return views.run_view(run, await parts.waiter.ended(await outcome(parts.ledger, run), wait))


async def _view(parts: Parts, run: Run) -> dict[str, Any]:
    return views.run_view(run, pause=await holding_back(parts.ledger, run))


def _cancellation(parts: Parts, body: CancelRequest, caller: Caller | None) -> Cancellation:
    grace = body.grace_period_seconds
    grace = parts.settings.run.cancel_grace_seconds if grace is None else grace
    return Cancellation.asked(asker(caller), body.mode, body.reason, grace)


def _pending_view(accepted: Accepted, namespace: str, task: str) -> dict[str, Any]:
    """A run that is accepted, and whose record is not to be had yet."""
    return {
        "id": accepted.run_id,
        "namespace": namespace,
        "name": accepted.name,
        "task": task,
        "phase": Phase.PENDING,
        "celeryState": "PENDING",
    }


def _json(
    content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(json.dumps(content), status, headers, "application/json")


def _retry(asked: RetryRule) -> Retry:
    return Retry(
        limit=asked.limit,
        initial_seconds=asked.backoff.initial_seconds,
        max_seconds=asked.backoff.max_seconds,
        causes=tuple(asked.causes),
    )
