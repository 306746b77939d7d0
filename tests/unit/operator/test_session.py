"""Requests to an API server that misbehaves: every answer is an error with a type."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from singletrack.adapters.kubernetes import errors
from singletrack.adapters.kubernetes.connection import Connection, Token
from singletrack.adapters.kubernetes.session import KubernetesSession


class Misbehaving:
    """Answers what a test tells it to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.asked: list[str] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.headers.get("Authorization", ""))
        return self.answers.pop(0)


@pytest.fixture
async def server() -> AsyncIterator[Misbehaving]:
    misbehaving = Misbehaving()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", misbehaving.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    misbehaving.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield misbehaving
    await runner.cleanup()


async def ask(url: str, token: Token | None = None) -> tuple[Any, list[tuple[Any, ...]]]:
    told: list[tuple[Any, ...]] = []
    connection = Connection(server=url, token=token or Token())
    session = KubernetesSession(connection, lambda *what: told.append(what[:3]))
    try:
        return await session.request("GET", "/x"), told
    finally:
        await session.close()


def status(code: int, reason: str = "", **headers: str) -> web.Response:
    body = {"kind": "Status", "message": f"no: {reason}", "reason": reason}
    return web.json_response(body, status=code, headers=headers)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, errors.Invalid),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (410, errors.Expired),
        (413, errors.Invalid),
        (422, errors.Invalid),
        (429, errors.Throttled),
        (500, errors.Unavailable),
        (503, errors.Unavailable),
    ],
)
async def test_each_refusal_has_a_type_and_the_servers_words(
    server: Misbehaving, code: int, kind: type[errors.KubernetesError]
) -> None:
    server.answers = [status(code, "Because")]

    with pytest.raises(kind, match="no: Because") as caught:
        await ask(server.url)
    assert (type(caught.value), caught.value.reason) == (kind, "Because")


async def test_a_server_that_is_too_busy_says_for_how_long(server: Misbehaving) -> None:
    server.answers = [status(429, **{"Retry-After": "7"})]

    with pytest.raises(errors.Throttled) as caught:
        await ask(server.url)
    assert caught.value.retry_after_seconds == 7.0


async def test_an_answer_that_is_no_json_is_an_error_all_the_same(server: Misbehaving) -> None:
    server.answers = [web.Response(text="<html>502</html>", status=502)]

    with pytest.raises(errors.Unavailable, match="<html>"):
        await ask(server.url)


async def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(errors.Unavailable, match="did not answer"):
        await ask("http://127.0.0.1:9")


async def test_a_token_that_is_not_taken_is_read_again_once(
    server: Misbehaving, tmp_path: Any
) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    token = Token(file=file)
    token.current()
    file.write_text("new")
    server.answers = [status(401), web.json_response({"items": []})]

    answer, told = await ask(server.url, token)
    assert answer == {"items": []}
    assert server.asked == ["Bearer old", "Bearer new"]
    assert told == [("GET", "/x", 401), ("GET", "/x", 200)]


async def test_a_token_that_is_never_taken_is_forbidden(server: Misbehaving) -> None:
    server.answers = [status(401), status(401)]

    with pytest.raises(errors.Forbidden):
        await ask(server.url, Token(text="bad"))
