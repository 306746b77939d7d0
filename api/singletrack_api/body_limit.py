"""Refuses a large body before it is read, in a way every client gets to see.

A server that answers and closes while the client still writes makes most clients report a broken
connection. So the answer is sent at once, and what the client still sends is thrown away for a
moment before the connection is closed.
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from singletrack_api.errors import BODY_TOO_LARGE, Refusal, document

DISCARD_SECONDS = 5.0
DISCARD_BYTES = 64 * 1024 * 1024
CLOSE = {"Connection": "close"}


class BodyLimit:
    """Lets no more than `limit` bytes of a request's body through."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._detail = f"the body is larger than {limit} bytes; pass a reference to large data"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._limit:
            # A client that asks first sends nothing after a refusal.
            asks_first = "expect" in headers
            await self._refuse(scope, receive if not asks_first else None, send)
            return
        await self._app(scope, self._counted(receive), send)

    async def _refuse(self, scope: Scope, receive: Receive | None, send: Send) -> None:
        refusal = Refusal(BODY_TOO_LARGE, self._detail, {}, CLOSE)
        response = document(refusal, Request(scope))
        await send(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": response.raw_headers,
            }
        )
        await send({"type": "http.response.body", "body": bytes(response.body), "more_body": True})
        if receive:
            await _discard(receive)
        await send({"type": "http.response.body", "body": b""})

    def _counted(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                if message.get("more_body"):
                    await _discard(receive)
                # One of the framework's own, because it hides others behind its 400.
                raise HTTPException(BODY_TOO_LARGE.status, self._detail, dict(CLOSE))
            return message

        return counted


async def _discard(receive: Receive) -> None:
    """Read the rest and forget it, but not for long."""
    left = DISCARD_BYTES
    try:
        async with asyncio.timeout(DISCARD_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
    except TimeoutError:
        return
