"""Requests to the API server: few connections, a deadline each, errors by type.

The session is opened at the first request, in the loop that makes it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import orjson

from singletrack.adapters.kubernetes.connection import Connection
from singletrack.adapters.kubernetes.errors import KubernetesError, Unavailable, from_answer
from singletrack.failpoints import failpoint

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"

Observer = Callable[[str, str, int, float], None]
"""Told of every request: method, path, HTTP status (0 without an answer), seconds."""

_REFUSED = 400
_UNAUTHORIZED = 401
_MOST_CONNECTIONS = 8
_LONGEST_LINE = 2**20
#: A connection that is dead and does not say so is one on which nothing comes any more.
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10, sock_read=10)


def _ignore(_method: str, _path: str, _status: int, _seconds: float) -> None:
    """Nobody wants to know."""


def open_http(
    connection: Connection, observer: Observer = _ignore, most_connections: int = _MOST_CONNECTIONS
) -> aiohttp.ClientSession:
    """An HTTP session that proves who we are with every request and tells of each."""

    async def authorized(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if connection.token:
            request.headers["Authorization"] = f"Bearer {connection.token.current()}"
        begun, status = time.monotonic(), 0
        try:
            response = await handler(request)
            status = response.status
        finally:
            observer(request.method, request.url.raw_path_qs, status, time.monotonic() - begun)
        if status == _UNAUTHORIZED:
            connection.token.forget()
        return response

    connector = aiohttp.TCPConnector(limit=most_connections, ssl=connection.ssl_context or False)
    return aiohttp.ClientSession(
        connector=connector,
        middlewares=(authorized,),
        timeout=_TIMEOUT,
        headers={"User-Agent": "singletrack"},
    )


class KubernetesSession:
    """JSON in, JSON out, and a typed error for everything else."""

    def __init__(
        self,
        connection: Connection,
        observer: Observer = _ignore,
        most_connections: int = _MOST_CONNECTIONS,
    ) -> None:
        """`most_connections` is 0 for as many as there are requests at a time."""
        self.connection = connection
        self._observer = observer
        self._most_connections = most_connections
        self._http: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> Any:
        """The decoded answer.

        Raises:
            KubernetesError: by type, see `errors`; `Unavailable` when it is not known whether the
                request took effect.
        """
        error: KubernetesError | None = None
        for _ in range(2):  # the second time with a token that was read again
            status, content, headers = await self._send(method, path, params, body, content_type)
            answer = _decoded(content)
            if status < _REFUSED:
                return answer
            error = from_answer(status, answer, headers)
            if status != _UNAUTHORIZED:
                break
        raise error or KubernetesError()

    async def stream(
        self, path: str, *, params: Mapping[str, str], silence_seconds: float
    ) -> AsyncIterator[Any]:
        """The lines of an answer that goes on, decoded, until the server ends it.

        Raises:
            KubernetesError: as `request`; `Unavailable` also when nothing has come for too long.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=silence_seconds)
        url, headers = self.connection.server + path, {"Accept": JSON}
        try:
            async with self._opened().get(
                url, params=params, headers=headers, timeout=timeout, read_bufsize=_LONGEST_LINE
            ) as response:
                if response.status >= _REFUSED:
                    answer = _decoded(await response.read())
                    raise from_answer(response.status, answer, response.headers)
                async for line in response.content:
                    yield _decoded(line)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unavailable(error) from error

    async def close(self) -> None:
        """Close the connections; the session opens again when it is used again."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Any,
        content_type: str,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        data = None if body is None else orjson.dumps(body)
        headers = {"Accept": JSON} | ({"Content-Type": content_type} if data is not None else {})
        try:
            failpoint("kubernetes.send", method)
            async with self._opened().request(
                method, self.connection.server + path, params=params, data=data, headers=headers
            ) as response:
                content = await response.read()
                failpoint("kubernetes.sent", method)
                return response.status, content, response.headers
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unavailable(error) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = open_http(self.connection, self._observer, self._most_connections)
        return self._http

    def _unavailable(self, error: Exception) -> Unavailable:
        text = str(error) or type(error).__name__
        return Unavailable(f"the API server at {self.connection.server} did not answer: {text}")


def _decoded(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return content.decode(errors="replace")
