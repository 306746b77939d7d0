"""`/v1` broker queues: pausing and resuming."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path
from starlette.responses import JSONResponse, Response

from singletrack.operations import GetQueue, PauseQueue, ResumeQueue
from singletrack_api import views
from singletrack_api.dependencies import GUARDS, JSON_ONLY, PartsHere
from singletrack_api.documentation import problems
from singletrack_api.fields import QUEUE_NAME
from singletrack_api.lock_schemas import PauseRequest, QueueView
from singletrack_api.parts import Parts

router = APIRouter(prefix="/v1/queues", tags=["queues"], dependencies=GUARDS)

Queue = Annotated[str, Path(pattern=QUEUE_NAME, examples=["celery"])]


@router.get(
    "/{queue}", operation_id="get_queue", response_model=QueueView, responses=problems(400, 503)
)
async def get_queue(parts: PartsHere, queue: Queue) -> Response:
    """Whether a broker queue is paused, and how many runs that holds back."""
    return await _shown(parts, queue)


@router.post(
    "/{queue}:pause",
    operation_id="pause_queue",
    response_model=QueueView,
    responses=problems(400, 413, 415, 422, 503),
    dependencies=JSON_ONLY,
)
async def pause_queue(
    parts: PartsHere, queue: Queue, body: Annotated[PauseRequest | None, Body()] = None
) -> Response:
    """Let no run of a queue start until it is resumed; what runs goes on. Asking again is fine."""
    reason = body.reason if body else ""
    await parts.ledger.execute_durably(PauseQueue(queue=queue, by="rest", reason=reason))
    return await _shown(parts, queue)


@router.post(
    "/{queue}:resume",
    operation_id="resume_queue",
    response_model=QueueView,
    responses=problems(400, 503),
)
async def resume_queue(parts: PartsHere, queue: Queue) -> Response:
    """End the pause of a queue; what was held back is published at once."""
    await parts.ledger.execute_durably(ResumeQueue(queue=queue))
    return await _shown(parts, queue)


async def _shown(parts: Parts, queue: str) -> Response:
    return JSONResponse(views.queue_view(await parts.ledger.execute(GetQueue(queue=queue))))
