"""`/v1` broker queues: which there are, pausing and resuming."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import JSONResponse, Response

from singletrack.catalogue import CatalogueEntry
from singletrack.operations import (
    GetQueue,
    ListPausedQueues,
    ListTasks,
    PauseQueue,
    QueueStatus,
    ResumeQueue,
)
from singletrack_api import views
from singletrack_api.dependencies import GUARDS, Limit, PartsHere
from singletrack_api.documentation import problems
from singletrack_api.fields import QUEUE_NAME
from singletrack_api.lock_schemas import QueueList, QueueView
from singletrack_api.pages import paged
from singletrack_api.parts import Parts
from singletrack_api.pausing import AskedHere, pause_at, resume_at

router = APIRouter(prefix="/v1/queues", tags=["queues"], dependencies=GUARDS)

QueueCursor = Annotated[
    str, Query(max_length=128, description="`next` of the page before, which is its last name.")
]
Queue = Annotated[str, Path(pattern=QUEUE_NAME, examples=["celery"])]


@router.get("", operation_id="list_queues", response_model=QueueList, responses=problems(400, 503))
async def list_queues(parts: PartsHere, limit: Limit = 50, cursor: QueueCursor = "") -> Response:
    """The broker queues that registered tasks use or that are paused, by name."""
    paused = {status.name: status for status in await parts.ledger.execute(ListPausedQueues())}
    names = {parts.settings.broker.default_queue, *paused, *await _queues_of_tasks(parts)}
    rest = sorted(name for name in names if name > cursor)
    page = [paused.get(name) or QueueStatus(name=name) for name in rest[:limit]]
    following = page[-1].name if len(rest) > limit else None
    return paged([views.queue_view(status) for status in page], following, "/v1/queues", limit)


@router.get(
    "/{queue}", operation_id="get_queue", response_model=QueueView, responses=problems(400, 503)
)
async def get_queue(parts: PartsHere, queue: Queue) -> Response:
    """Whether a broker queue is paused, and how many runs that holds back."""
    return await _shown(parts, queue)


@pause_at(router, "/{queue}", operation_id="pause_queue", response_model=QueueView)
async def pause_queue(parts: PartsHere, queue: Queue, asked: AskedHere) -> Response:
    """Let no run of a queue start until it is resumed; what runs goes on. Asking again is fine."""
    await parts.ledger.execute_durably(PauseQueue(queue=queue, by=asked.by, reason=asked.reason))
    return await _shown(parts, queue)


@resume_at(router, "/{queue}", operation_id="resume_queue", response_model=QueueView)
async def resume_queue(parts: PartsHere, queue: Queue) -> Response:
    """End the pause of a queue; what was held back is published at once."""
    await parts.ledger.execute_durably(ResumeQueue(queue=queue))
    return await _shown(parts, queue)


async def _queues_of_tasks(parts: Parts) -> set[str]:
    entries = (await parts.ledger.execute(ListTasks())).values()
    return {entry.queue for text in entries if (entry := CatalogueEntry.from_json(text)).queue}


async def _shown(parts: Parts, queue: str) -> Response:
    return JSONResponse(views.queue_view(await parts.ledger.execute(GetQueue(queue=queue))))
