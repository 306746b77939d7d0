"""`/v1` locks: which there are, who holds one and who waits for it; pausing and resuming."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import JSONResponse, Response

from singletrack.errors import InvalidParameters
from singletrack.locks import qualify
from singletrack.operations import GetLock, GetRun, ListLocks, LockStatus, PauseLock, ResumeLock
from singletrack.run import Run
from singletrack_api import views
from singletrack_api.dependencies import GUARDS, Limit, Namespace, PartsHere
from singletrack_api.documentation import problems
from singletrack_api.errors import INVALID_REQUEST, Refusal
from singletrack_api.lock_schemas import LockList, LockStatusView
from singletrack_api.pages import paged
from singletrack_api.parts import Parts
from singletrack_api.paths import LOCK_KEY
from singletrack_api.pausing import AskedHere, pause_at, resume_at

router = APIRouter(prefix="/v1/namespaces/{ns}/locks", tags=["locks"], dependencies=GUARDS)

LOCK = f"/{{key:{LOCK_KEY}}}"

LockCursor = Annotated[
    str, Query(max_length=253, description="`next` of the page before, which is its last key.")
]
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


@router.get("", operation_id="list_locks", response_model=LockList, responses=problems(400, 503))
async def list_locks(
    parts: PartsHere, ns: Namespace, limit: Limit = 50, cursor: LockCursor = ""
) -> Response:
    """The locks that somebody holds, waits for or has paused, by name, a page at a time."""
    found = await parts.ledger.execute(
        ListLocks(namespace=ns, limit=limit + 1, after=f"{ns}/{cursor}")
    )
    page = found[:limit]
    following = page[-1].key.removeprefix(f"{ns}/") if len(found) > limit else None
    target = f"/v1/namespaces/{ns}/locks"
    return paged([views.lock_summary(lock) for lock in page], following, target, limit)


@router.get(
    LOCK,
    operation_id="get_lock",
    response_model=LockStatusView,
    responses=problems(400, 503),
)
async def get_lock(parts: PartsHere, lock: TheLock, limit: Shown = 50) -> Response:
    """Who holds a lock, and who waits for it in which order. A lock nobody uses is free."""
    return await shown(parts, lock, limit)


@pause_at(router, LOCK, operation_id="pause_lock", response_model=LockStatusView)
async def pause_lock(parts: PartsHere, lock: TheLock, asked: AskedHere) -> Response:
    """Give a lock to nobody until it is resumed; its holder goes on. Asking again is fine."""
    await parts.ledger.execute_durably(PauseLock(lock=lock, by=asked.by, reason=asked.reason))
    return await shown(parts, lock)


@resume_at(router, LOCK, operation_id="resume_lock", response_model=LockStatusView)
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
