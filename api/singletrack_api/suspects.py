"""`/v1`: what a human may say about the holder of a suspect lock, whose worker is not heard of.

Nothing here can end a run whose worker is heard of. Who says it, and why, is kept in the record.
"""

from __future__ import annotations

from functools import partial
from typing import TypeVar

import structlog
from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from singletrack import logs
from singletrack.operations import (
    ConfirmDead,
    EndReply,
    GetRun,
    Operation,
    ReleaseLock,
    ReleaseReply,
    Verdict,
)
from singletrack_api import views
from singletrack_api.dependencies import GUARDS, JSON_ONLY, PartsHere, TheRun
from singletrack_api.documentation import problems
from singletrack_api.errors import LEDGER_RECOVERING, LOCK_NOT_SUSPECT, RUN_NOT_SUSPECT, Refusal
from singletrack_api.lock_schemas import DeathNotice, LockStatusView, ReleaseRequest
from singletrack_api.locks import TheLock, shown
from singletrack_api.parts import Parts
from singletrack_api.paths import LOCK_KEY, RUN_ID
from singletrack_api.schemas import RunView

log = structlog.get_logger()

router = APIRouter(prefix="/v1/namespaces/{ns}", tags=["suspects"], dependencies=GUARDS)

_post = partial(
    router.post, responses=problems(400, 404, 409, 413, 415, 422, 503), dependencies=JSON_ONLY
)

Reply = TypeVar("Reply", EndReply, ReleaseReply)


@_post(
    f"/locks/{{key:{LOCK_KEY}}}:release",
    operation_id="release_lock",
    response_model=LockStatusView,
)
async def release_lock(parts: PartsHere, lock: TheLock, body: ReleaseRequest) -> Response:
    """Give up the holder of a suspect lock: its run ends as Lost, the lock moves on.

    Refused unless the lock is suspect (`onLost: Hold`, the worker is not heard of any more). Make
    sure first that the process cannot go on, because nobody else can know it.
    """
    by, token = _who(body.by), body.fencing_token
    release = ReleaseLock(lock=lock, by=by, reason=body.reason, token=token)
    reply = await _decided(parts, release)
    if reply.verdict is not Verdict.OK:
        holder = f"is held by run {reply.run_id}" if reply.run_id else "is held by nobody"
        meant = f" with token {token}" if token else ""
        detail = f"lock {lock!r} {holder}; it can be released only from a suspect run{meant}"
        raise Refusal(LOCK_NOT_SUSPECT, detail)
    logs.note_run(run=reply.run_id, lock=lock)
    log.warning("lock_released", by=by, reason=body.reason)
    return await shown(parts, lock)


@_post(
    f"/runs/{{run_id:{RUN_ID}}}:confirm-dead",
    operation_id="confirm_dead",
    response_model=RunView,
)
async def confirm_dead(parts: PartsHere, run: TheRun, body: DeathNotice) -> Response:
    """Say that the process of a suspect run is dead: the run ends as Lost, its lock moves on.

    Its container has terminated, or its machine is off. A Pod that was only deleted, or a node that
    does not answer, proves nothing.
    """
    if not run.suspect:
        raise _not_suspect(run.run_id)
    by = _who(body.by)
    message = f"{by} confirmed that its process is dead: {body.reason}"
    notice = ConfirmDead(run_id=run.run_id, nonce=run.nonce, message=message)
    reply = await _decided(parts, notice)
    if reply.verdict is not Verdict.OK:
        raise _not_suspect(run.run_id)
    log.warning("death_confirmed", by=by, reason=body.reason)
    after = await parts.ledger.execute(GetRun(run_id=run.run_id))
    return JSONResponse(views.run_view(after or run))


def _who(name: str) -> str:
    return f"{name} (rest)" if name else "rest"


def _not_suspect(run_id: str) -> Refusal:
    return Refusal(RUN_NOT_SUSPECT, f"run {run_id} is not suspect: its worker is heard of")


async def _decided(parts: Parts, word: Operation[Reply]) -> Reply:
    """What the ledger says to a human's word; a server that may have lost records says nothing."""
    reply = await parts.ledger.execute_durably(word)
    if reply.verdict is Verdict.RECOVERING:
        raise Refusal(LEDGER_RECOVERING, "the ledger has just restarted; ask again in a moment")
    return reply
