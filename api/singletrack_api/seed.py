"""The three routes of the note this project grew from: `/start`, `/status`, `/cancel`.

They speak Celery's words (`{id, status, result}`) and keep the note's sentences as the problem's
`detail`. `/start` runs one task, named by a setting, in one namespace.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.requests import Request

from singletrack import logs
from singletrack.admission import RunRequest
from singletrack.catalogue import CatalogueEntry
from singletrack.errors import LedgerError, LockHeld
from singletrack.lifecycle import VIEWS, State
from singletrack.operations import GetRun, LatestRun
from singletrack.run import Cancellation, Door, Run
from singletrack_api import views
from singletrack_api.dependencies import GUARDS, GivenTrace, PartsHere, remember
from singletrack_api.documentation import problems
from singletrack_api.errors import LOCK_HELD, RUN_NOT_FOUND, Kind, Refusal, members_of
from singletrack_api.joined import outcome
from singletrack_api.parts import Parts
from singletrack_api.rights import CallerHere, asker, name_of
from singletrack_api.schemas import CeleryView
from singletrack_api.submitting import submit

START_SECONDS = 3.5
"""How long `/start` may take to ask; the answer is promised within four seconds."""

ALREADY_HELD = Kind(LOCK_HELD.code, 400, LOCK_HELD.title)
NO_LOCK = Kind("lock-not-acquired", 500, "The ledger did not answer in time")
NOTHING_STARTED = Kind("nothing-started", 400, "There is no latest run")

TaskId = Annotated[str | None, Query(min_length=1, max_length=255)]

router = APIRouter(tags=["short"], dependencies=GUARDS)


@router.get(
    "/start",
    operation_id="start",
    response_model=CeleryView,
    responses=problems(400, 404, 413, 422, 500, 503),
)
async def start(
    request: Request, parts: PartsHere, caller: CallerHere, place: GivenTrace
) -> Response:
    """Run the one task there is, unless it runs already.

    Query parameters with the name of a parameter of the task are handed to it.
    """
    try:
        async with asyncio.timeout(START_SECONDS):
            asked = await _asked(parts, request.query_params)
            asked = replace(asked, requested_by=name_of(caller), traceparent=place)
            accepted = await submit(parts, asked)
    except LockHeld as held:
        detail = "A task is already being executed"
        raise Refusal(ALREADY_HELD, detail, members_of(held)) from held
    except (LedgerError, TimeoutError) as error:
        raise Refusal(NO_LOCK, "Could not acquire lock") from error
    state = accepted.submission.state or State.QUEUED
    if state in (State.JOINED, State.SKIPPED):
        return await _shown(parts, await _find(parts, accepted.run_id))
    return _answer(views.celery_view(accepted.run_id, VIEWS[state].celery, None))


@router.get(
    "/status",
    operation_id="status",
    response_model=CeleryView,
    responses=problems(400, 404, 503),
)
async def status(parts: PartsHere, task_id: TaskId = None) -> Response:
    """How a run is: the one named, else the latest one started over REST."""
    return await _shown(parts, await _find(parts, task_id))


async def cancel(parts: PartsHere, caller: CallerHere, task_id: TaskId = None) -> Response:
    """Ask a run to stop: the one named, else the latest one started over REST."""
    run = await _find(parts, task_id)
    grace = parts.settings.run.cancel_grace_seconds
    asked = Cancellation(by=asker(caller), grace_seconds=grace)
    return await _shown(parts, run if run.terminal else await parts.intake.cancel(run, asked))


for method, operation_id in (("GET", "cancel_by_get"), ("POST", "cancel_by_post")):
    router.add_api_route(
        "/cancel",
        cancel,
        methods=[method],
        operation_id=operation_id,
        response_model=CeleryView,
        responses=problems(400, 404, 503),
    )


async def _asked(parts: Parts, query: Mapping[str, str]) -> RunRequest:
    settings = parts.settings.run
    entry = await parts.catalogue.find(settings.start_task)
    return RunRequest(
        run_id=str(uuid.uuid4()),
        task=entry.name,
        params=simple_parameters(entry, query),
        namespace=settings.namespace,
        door=Door.REST,
    )


def simple_parameters(entry: CatalogueEntry, query: Mapping[str, str]) -> dict[str, Any]:
    """The query parameters the task knows, read by its schema; the others are not for it."""
    known: Mapping[str, Any] = entry.parameters.get("properties", {})
    return {name: _read(text, known[name]) for name, text in query.items() if name in known}


def _read(text: str, schema: Any) -> Any:
    """The text as the first simple type the schema allows; text that is none stays a text."""
    for kind in _types(schema):
        if kind == "string":
            break
        try:
            if kind == "integer":
                return int(text)
            if kind == "number":
                return float(text)
        except ValueError:
            continue
        if kind == "boolean" and text.lower() in {"true", "false"}:
            return text.lower() == "true"
    return text


def _types(schema: Any) -> list[str]:
    if not isinstance(schema, Mapping):
        return []
    if "anyOf" in schema:
        return [kind for part in schema["anyOf"] for kind in _types(part)]
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


async def _find(parts: Parts, task_id: str | None) -> Run:
    latest = LatestRun(namespace=parts.settings.run.namespace)
    run_id = task_id or await parts.ledger.execute(latest)
    if run_id is None:
        raise Refusal(NOTHING_STARTED, "No task has been started yet")
    logs.note_run(run_id)
    run = await parts.ledger.execute(GetRun(run_id=run_id))
    # Rights were asked for in one namespace; of another one's runs nothing is known here.
    foreign = parts.access and run and run.spec.namespace != parts.settings.run.namespace
    if run is None or run.gone or foreign:
        raise Refusal(RUN_NOT_FOUND, f"Unknown task id: {run_id}")
    return remember(run)


async def _shown(parts: Parts, run: Run) -> Response:
    ended = await outcome(parts.ledger, run)
    return _answer(views.celery_view(run.run_id, ended.celery_state, views.celery_result(ended)))


def _answer(text: str) -> Response:
    return Response(text, media_type="application/json")
