"""Which failure is which answer: one table, and every error a problem document (RFC 9457).

422 is for bodies that are JSON but not what was asked for; a body that is no JSON, or a wrong query
parameter, is 400. Texts of unexpected errors stay in the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from singletrack import errors

MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "https://singletrack.dev/problems/"
RETRY_SECONDS = 2
LONGEST_DETAIL = 1000

#: Statuses that are another answer if one asks again later.
_LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of problem: its stable code, its status, and what it is called."""

    code: str
    status: int
    title: str


NAMESPACE_NOT_SERVED = Kind(
    "namespace-not-served", 404, "This installation does not serve that namespace"
)
TASK_NOT_REGISTERED = Kind("task-not-registered", 404, "No worker has registered this task")
RUN_NOT_FOUND = Kind("run-not-found", 404, "There is no such run")
LOCK_HELD = Kind("lock-held", 409, "Another run holds this lock")
LOCK_PAUSED = Kind("lock-paused", 409, "This lock is paused")
LOCK_NOT_SUSPECT = Kind("lock-not-suspect", 409, "This lock is not suspect")
RUN_NOT_SUSPECT = Kind("run-not-suspect", 409, "The worker of this run is heard of")
TOO_MANY_REQUESTS = Kind("too-many-requests", 429, "The caller asks too often")
QUEUE_FULL = Kind("queue-full", 429, "As many runs wait for this lock as are allowed to")
RUN_STARTED = Kind("run-started", 409, "The run has started")
NO_RESULT = Kind("no-result", 409, "The run ended without a result")
KEY_REUSED = Kind("idempotency-key-reused", 422, "The key belongs to a request with other content")
INVALID_PARAMETERS = Kind("invalid-parameters", 422, "The parameters do not fit the task")
INVALID_BODY = Kind("invalid-body", 422, "The body is not what was asked for")
INVALID_REQUEST = Kind("invalid-request", 400, "The request is not valid")
MALFORMED_JSON = Kind("malformed-json", 400, "The body is not JSON")
PARAMETERS_TOO_LARGE = Kind("parameters-too-large", 413, "The parameters are too large")
BODY_TOO_LARGE = Kind("body-too-large", 413, "The body is too large")
NOT_JSON = Kind("unsupported-media-type", 415, "The body must be JSON")
UNAUTHENTICATED = Kind("unauthenticated", 401, "A bearer token is needed")
FORBIDDEN = Kind("forbidden", 403, "The caller may not do this")
ACCESS_UNAVAILABLE = Kind("access-unavailable", 503, "Who may do what cannot be asked now")
FOREIGN_ORIGIN = Kind("foreign-origin", 403, "Requests from other web sites are refused")
INTERNAL = Kind("internal-error", 500, "Something went wrong here")
LEDGER_UNAVAILABLE = Kind("ledger-unavailable", 503, "The ledger does not answer")
LEDGER_REFUSED = Kind("ledger-refused", 503, "The ledger cannot do this now")
LEDGER_RECOVERING = Kind("ledger-recovering", 503, "The ledger has just restarted")
LEDGER_MISCONFIGURED = Kind("ledger-misconfigured", 503, "The ledger is set up wrongly")
BROKER_UNAVAILABLE = Kind("broker-unavailable", 503, "The broker does not answer")
INTAKE_UNAVAILABLE = Kind("intake-unavailable", 503, "Runs cannot be accepted now")
NOT_READY = Kind("not-ready", 503, "The service is not ready")

#: The one table: what the core raises, and what a client gets.
KINDS: Mapping[type[errors.SingletrackError], Kind] = {
    errors.NamespaceNotServed: NAMESPACE_NOT_SERVED,
    errors.TaskNotRegistered: TASK_NOT_REGISTERED,
    errors.InvalidParameters: INVALID_PARAMETERS,
    errors.EncodeError: INVALID_PARAMETERS,
    errors.ParametersTooLarge: PARAMETERS_TOO_LARGE,
    errors.RunNotFound: RUN_NOT_FOUND,
    errors.RunStarted: RUN_STARTED,
    errors.RunConflict: KEY_REUSED,
    errors.LockPaused: LOCK_PAUSED,
    errors.QueueFull: QUEUE_FULL,
    errors.LockHeld: LOCK_HELD,
    errors.AccessUnavailable: ACCESS_UNAVAILABLE,
    errors.IntakeUnavailable: INTAKE_UNAVAILABLE,
    errors.BrokerUnavailable: BROKER_UNAVAILABLE,
    errors.LedgerUnavailable: LEDGER_UNAVAILABLE,
    errors.LedgerRefused: LEDGER_REFUSED,
    errors.LedgerMisconfigured: LEDGER_MISCONFIGURED,
}

#: What the framework raises, where it has a name of ours.
FRAMEWORK_KINDS = {400: MALFORMED_JSON, 413: BODY_TOO_LARGE}


class Refusal(Exception):
    """An answer that is a problem; `members` are the extension members of the document."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self.detail = detail
        self.members = members or {}
        self.headers = headers or {}
        super().__init__(detail)


def refusal_for(error: errors.SingletrackError) -> Refusal:
    """The answer to an error of the core; raises one that is nobody's answer again."""
    kind = next((KINDS[cls] for cls in type(error).__mro__ if cls in KINDS), INTERNAL)
    if kind is INTERNAL:
        raise error
    headers = {"Retry-After": str(RETRY_SECONDS)} if kind.status in _LATER else {}
    return Refusal(kind, shortened(str(error)), members_of(error), headers)


def members_of(error: errors.SingletrackError) -> dict[str, Any]:
    """What a problem document says beyond words: the holder of a lock, the wrong parameter."""
    if isinstance(error, errors.LockHeld):
        holder = {"id": error.holder.run_id, "name": error.holder.name}
        return {"lock": {"key": error.lock, "holder": holder}}
    # The schema validator's error is the cause and knows the place.
    path = getattr(error.__cause__, "instance_path", None)
    if isinstance(error, errors.InvalidParameters) and path is not None:
        reason = shortened(str(getattr(error.__cause__, "message", error)))
        return {"errors": [{"pointer": pointer("params", *path), "reason": reason}]}
    return {}


def shortened(words: str) -> str:
    """A sentence that may hold a client's own value, at a length one can read."""
    return words if len(words) <= LONGEST_DETAIL else words[: LONGEST_DETAIL - 1] + "…"


def pointer(*path: str | int) -> str:
    """A JSON pointer (RFC 6901) into the body."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def document(refusal: Refusal, request: Request) -> Response:
    """The problem document as a response."""
    kind = refusal.kind
    state = request.scope.setdefault("state", {})
    state["refusal"] = refusal  # for the request's line in the log
    content = {
        "type": TYPE_BASE + kind.code,
        "title": kind.title,
        "status": kind.status,
        "detail": refusal.detail,
        "instance": request.scope["path"],
        "code": kind.code,
        "requestId": state.get("request_id", ""),
        **refusal.members,
    }
    # Escaped, because a client's own words may hold what UTF-8 has no form for.
    return Response(json.dumps(content), kind.status, dict(refusal.headers), MEDIA_TYPE)


def install(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Let every error of `app` leave as a problem document."""
    app.state.routes = [route for router in routers for route in router.routes]
    app.exception_handler(Refusal)(_refused)
    app.exception_handler(errors.SingletrackError)(_failed)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(RequestValidationError)(_invalid)


async def _refused(request: Request, error: Refusal) -> Response:
    return document(error, request)


async def _failed(request: Request, error: errors.SingletrackError) -> Response:
    return document(refusal_for(error), request)


async def _http_error(request: Request, error: HTTPException) -> Response:
    """The framework's own errors: no such path, no such method, a body it could not read."""
    phrase = HTTPStatus(error.status_code).phrase
    kind = Kind(phrase.lower().replace(" ", "-"), error.status_code, phrase)
    kind = FRAMEWORK_KINDS.get(error.status_code, kind)
    detail, headers = str(error.detail), dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The framework names the methods of one route only.
        if methods := _methods_of(request):
            headers["Allow"] = ", ".join(sorted(methods))
        detail = f"{request.method} is not allowed here, but {headers['Allow']}"
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = "there is nothing at this path; GET /openapi.json lists what there is"
    return document(Refusal(kind, detail, {}, headers), request)


def _methods_of(request: Request) -> set[str]:
    """What any route with this path allows."""
    path = request.scope["path"]
    routes = [route for route in request.app.state.routes if route.path_regex.match(path)]
    return {method for route in routes for method in route.methods}


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    first = found[0]
    if first["type"] == "json_invalid":
        place = f"the body is not JSON: {first['ctx']['error']} at character {first['loc'][1]}"
        return document(Refusal(MALFORMED_JSON, place), request)
    in_body = all(item["loc"][0] == "body" for item in found)
    items = [_item(item) for item in found[:20]]
    detail = "; ".join(f"{_name(item['loc'])}: {_reason(item)}" for item in found[:3])
    kind = INVALID_BODY if in_body else INVALID_REQUEST
    return document(Refusal(kind, detail, {"errors": items}), request)


def _item(item: Mapping[str, Any]) -> dict[str, str]:
    place, *path = item["loc"]
    where = {"pointer": pointer(*path)} if place == "body" else {"parameter": ".".join(path)}
    return {**where, "reason": _reason(item)}


def _name(place: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in place[1:]) or "body"


def _reason(item: Mapping[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "there is no such field"
    message = str(item["msg"])
    return message.removeprefix("Value error, ")
