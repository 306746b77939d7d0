"""`/v1` locks: who holds one and who waits for it; pausing and resuming."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query
from starlette.responses import JSONResponse, Response

from singletrack.errors import InvalidParameters
from singletrack.locks import qualify
from singletrack.operations import GetLock, GetRun, LockStatus, PauseLock, ResumeLock
from singletrack.run import Run
from singletrack_api import views
from singletrack_api.dependencies import GUARDS, JSON_ONLY, Namespace, PartsHere
from singletrack_api.documentation import problems
from singletrack_api.errors import INVALID_REQUEST, Refusal
from singletrack_api.lock_schemas import LockStatusView, PauseRequest
from singletrack_api.parts import Parts
from singletrack_api.paths import LOCK_KEY

router = APIRouter(prefix="/v1/namespaces/{ns}/locks", tags=["locks"], dependencies=GUARDS)

Shown = Annotated[
    int, Query(ge=0, le=500, description="How many of the runs that wait are described.")
]


async def the_lock(ns: Namespace, key: Annotated[str, Path(min_length=1)]) -> str:
    """The full key of a lock; keys may hold slashes."""
    try:
        return qualify(ns, key)
    except InvalidParameters as error:
        raise Refusal(INVALID_REQUEST, str(error)) from error


TheLock = Annotated[str, Depends(the_lock)]


@router.get(
    f"/{{key:{LOCK_KEY}}}",
    operation_id="get_lock",
    response_model=LockStatusView,
    responses=problems(400, 503),
)
async def get_lock(parts: PartsHere, lock: TheLock, limit: Shown = 50) -> Response:
    """Who holds a lock, and who waits for it in which order. A lock nobody uses is free."""
    return await shown(parts, lock, limit)


@router.post(
    f"/{{key:{LOCK_KEY}}}:pause",
    operation_id="pause_lock",
    response_model=LockStatusView,
    responses=problems(400, 413, 415, 422, 503),
    dependencies=JSON_ONLY,
)
async def pause_lock(
    parts: PartsHere, lock: TheLock, body: Annotated[PauseRequest | None, Body()] = None
) -> Response:
    """Give a lock to nobody until it is resumed; its holder goes on. Asking again is fine."""
    reason = body.reason if body else ""
    await parts.ledger.execute_durably(PauseLock(lock=lock, by="rest", reason=reason))
    return await shown(parts, lock)


@router.post(
    f"/{{key:{LOCK_KEY}}}:resume",
    operation_id="resume_lock",
    response_model=LockStatusView,
    responses=problems(400, 503),
)
async def resume_lock(parts: PartsHere, lock: TheLock) -> Response:
    """End the pause of a lock; if it is free, the first in line gets it."""
    await parts.ledger.execute_durably(ResumeLock(lock=lock))
    return await shown(parts, lock)


async def shown(parts: Parts, lock: str, limit: int = 50) -> Response:
    """The answer that shows a lock as it is now."""
    status = await parts.ledger.execute(GetLock(lock=lock))
    owner = await _run(parts, status.owner) if status.owner else None
    return JSONResponse(views.lock_view(status, owner, await _waiting(parts, status, limit)))


async def _waiting(parts: Parts, status: LockStatus, limit: int) -> list[dict[str, Any]]:
    """The first in line; one that has left it since is left out."""
    places = enumerate(status.waiting[:limit], start=1)
    found = [(place, await _run(parts, run_id)) for place, run_id in places]
    return [views.waiting_view(run, place) for place, run in found if run]


async def _run(parts: Parts, run_id: str) -> Run | None:
    return await parts.ledger.execute(GetRun(run_id=run_id))
