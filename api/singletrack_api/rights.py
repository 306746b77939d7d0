"""Who may use which route: one table, in the words of RBAC, and the guard before every route.

The rights are the caller's own in the cluster, on resources of `singletrack.dev`. Somebody who may
create TaskRuns with kubectl may start runs over REST, and nobody else. A route that is not in the
table is closed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Annotated

import structlog
from fastapi import Depends
from starlette.requests import Request

from singletrack.access import Action, Caller
from singletrack_api.errors import FORBIDDEN, TOO_MANY_REQUESTS, UNAUTHENTICATED, Refusal
from singletrack_api.parts import Parts

_READ = frozenset({"get", "list"})

CREATE_RUN = Action("create", "taskruns")
GET_RUN = Action("get", "taskruns")
CANCEL_RUN = Action("create", "taskruns", "cancel")
GET_LOCK = Action("get", "tasklocks")
PAUSE_LOCK = Action("create", "tasklocks", "pause")
RELEASE_LOCK = Action("create", "tasklocks", "release")
GET_QUEUE = Action("get", "taskqueues")
PAUSE_QUEUE = Action("create", "taskqueues", "pause")

#: By the route's operation id, as in /openapi.json.
RIGHTS: Mapping[str, Action] = {
    "start": CREATE_RUN,
    "status": GET_RUN,
    "cancel_by_get": CANCEL_RUN,
    "cancel_by_post": CANCEL_RUN,
    "create_run": CREATE_RUN,
    "list_runs": Action("list", "taskruns"),
    "get_run": GET_RUN,
    "change_run": Action("patch", "taskruns"),
    "delete_run": Action("delete", "taskruns"),
    "get_result": GET_RUN,
    "cancel_run": CANCEL_RUN,
    "list_locks": Action("list", "tasklocks"),
    "get_lock": GET_LOCK,
    "pause_lock": PAUSE_LOCK,
    "resume_lock": PAUSE_LOCK,
    "release_lock": RELEASE_LOCK,
    "confirm_dead": RELEASE_LOCK,
    "list_queues": Action("list", "taskqueues"),
    "get_queue": GET_QUEUE,
    "pause_queue": PAUSE_QUEUE,
    "resume_queue": PAUSE_QUEUE,
}

log = structlog.get_logger()


async def authorised(request: Request) -> Caller | None:
    """The caller, who may do this; None where nobody is asked.

    Raises:
        Refusal: 401 without a good token, 429 too often, 403 without the right.
        AccessUnavailable: nobody could be asked.
    """
    parts: Parts = request.app.state.parts
    if parts.access is None:
        return None
    caller = await parts.access.identify(_token(request))
    if caller is None:
        raise _unauthenticated("the token is not good here: expired, or for another audience")
    structlog.contextvars.bind_contextvars(user=caller.name)
    if seconds := parts.wait(caller.name):
        detail = f"{caller.name} has asked too often: once more in {seconds} s"
        raise Refusal(TOO_MANY_REQUESTS, detail, headers={"Retry-After": str(seconds)})
    action = RIGHTS.get(request.scope["route"].operation_id)
    # A queue of the broker belongs to no namespace; the short routes have one by a setting.
    short = parts.settings.run.namespace if action in (CREATE_RUN, GET_RUN, CANCEL_RUN) else ""
    namespace = request.path_params.get("ns", short)
    if action is None or not await parts.access.allows(caller, action, namespace):
        where = f"in namespace {namespace!r}" if namespace else "in the cluster"
        raise Refusal(FORBIDDEN, f"{caller.name} may not {action or 'do this'} {where}")
    if action.verb not in _READ:
        log.info("audit", action=str(action), namespace=namespace, source=_source(request))
    return caller


CallerHere = Annotated[Caller | None, Depends(authorised)]
"""The caller, asked for once a request however many ask."""


def name_of(caller: Caller | None) -> str:
    """Who asks, for the record; empty where nobody is asked."""
    return caller.name if caller else ""


def asker(caller: Caller | None) -> str:
    """Who has asked for a change, in the record: his name, or the door he came in by."""
    return name_of(caller) or "rest"


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthenticated("send the header Authorization: Bearer TOKEN")
    return token.strip()


def _unauthenticated(detail: str) -> Refusal:
    return Refusal(UNAUTHENTICATED, detail, headers={"WWW-Authenticate": "Bearer"})


def _source(request: Request) -> str:
    """Where the request came from: the peer, which may be a proxy; its headers are not believed."""
    host = request.client.host if request.client else ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""
