"""One middleware around everything: request id, one log line, duration, the last net for errors."""

from __future__ import annotations

import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from singletrack import logs, tracing
from singletrack_api.errors import INTERNAL, Refusal, document
from singletrack_api.http_metrics import HttpMetrics

REQUEST_ID_HEADER = "X-Request-ID"

#: Asked every few seconds by machines; a line each would bury the others.
QUIET = frozenset({"/livez", "/readyz", "/metrics"})
_FAILED, _OUR_FAULT = 400, 500
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger()


class Observing:
    """Gives each request an id, counts it, logs it once, and answers 500 where nobody else did."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        trace_id = tracing.trace_id()
        named = {"request": request_id, "user": None, "trace_id": trace_id or None}
        with logs.about_run(), bound_contextvars(**named):
            await self._observed(scope, receive, _Answer(send, request_id), trace_id)

    async def _observed(
        self, scope: Scope, receive: Receive, answer: _Answer, trace_id: str
    ) -> None:
        started = time.perf_counter()
        crash: Exception | None = None
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 - the last net; it is logged below
            crash = error
            if not answer.status:
                refusal = Refusal(INTERNAL, "the log has the details under this request's id")
                await document(refusal, Request(scope))(scope, receive, answer)
        finally:
            self._metrics.in_flight.dec()
            seconds = time.perf_counter() - started
            # Without a status the client has gone away before the answer.
            status = answer.status or 499
            self._metrics.observe(scope["method"], _template(scope), status, seconds, trace_id)
            _log(scope, status, seconds, crash)


class _Answer:
    """The `send` of one request; it knows the status and adds our headers."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID_HEADER] = self._request_id
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


def _template(scope: Scope) -> str:
    return getattr(scope.get("route"), "path_format", "") or "unmatched"


def _log(scope: Scope, status: int, seconds: float, crash: Exception | None) -> None:
    if scope["path"] in QUIET and status < _FAILED:
        return
    method, path, ms = scope["method"], scope["path"], round(seconds * 1000, 1)
    refusal = scope["state"].get("refusal")
    code = refusal.kind.code if refusal else None
    if status < _OUR_FAULT:
        log.info("request", method=method, path=path, status=status, problem=code, ms=ms)
        return
    log.error(
        "request_failed", method=method, path=path, status=status, problem=code, ms=ms,
        error=refusal.detail if refusal else None, exc_info=crash,
    )  # fmt: skip
