"""Who may use which route, with answers of the cluster that the test gives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from singletrack.access import Action, Caller
from singletrack.errors import AccessUnavailable
from singletrack.operations import Submit
from singletrack.run import RunSpec
from singletrack_api.app import ROUTERS
from singletrack_api.rights import RIGHTS

RUNS = "/v1/namespaces/default/runs"
ALICE = Caller(name="alice", uid="1", groups=("team-a",))


class Answers:
    """Knows one token; allows what the test says."""

    def __init__(self) -> None:
        self.allowed: set[tuple[str, str]] = set()
        self.asked: list[tuple[str, str]] = []
        self.error: Exception | None = None

    async def identify(self, token: str) -> Caller | None:
        if self.error:
            raise self.error
        return ALICE if token == "alice's token" else None

    async def allows(self, caller: Caller, action: Action, namespace: str) -> bool:
        assert caller == ALICE
        self.asked.append((str(action), namespace))
        return (str(action), namespace) in self.allowed


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def guarded(app: FastAPI, answers: Answers) -> AsyncIterator[httpx2.AsyncClient]:
    """The API where callers need a token, as alice uses it."""
    transport = httpx2.ASGITransport(app)
    headers = {"Authorization": "Bearer alice's token"}
    async with app.router.lifespan_context(app):
        object.__setattr__(app.state.parts, "access", answers)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://singletrack-api.apps.svc", headers=headers
        ) as client:
            yield client


def routes() -> list[Any]:
    return [route for router in ROUTERS for route in router.routes]


def test_every_route_has_its_right_and_every_right_its_route() -> None:
    assert {route.operation_id for route in routes()} == set(RIGHTS)


@pytest.mark.parametrize(
    "header", ["", "alice's token", "Basic YWxpY2U6", "Bearer ", "Bearer somebody else's"]
)
async def test_without_a_good_token_every_route_is_401(
    guarded: httpx2.AsyncClient, answers: Answers, header: str
) -> None:
    for route in routes():
        for method in route.methods:
            path = route.path_format.format(ns="default", run_id="r", key="k", queue="q")
            answer = await guarded.request(method, path, headers={"Authorization": header})
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.json()["code"] == "unauthenticated"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answers.asked == [], "nobody is asked what nobody may do"


async def test_supervisors_and_prometheus_need_no_token(guarded: httpx2.AsyncClient) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/openapi.json"):
        answer = await guarded.get(path, headers={"Authorization": ""})
        assert answer.status_code != 401, path


async def test_who_may_not_is_told_what_and_where(guarded: httpx2.AsyncClient) -> None:
    answer = await guarded.post(RUNS, json={"task": "dummy_task"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.json()["detail"] == "alice may not create taskruns in namespace 'default'"


async def test_a_right_in_one_namespace_opens_no_other(
    guarded: httpx2.AsyncClient, answers: Answers
) -> None:
    answers.allowed = {("create taskruns", "team-a")}
    body = {"task": "dummy_task"}
    assert (await guarded.post("/v1/namespaces/team-a/runs", json=body)).status_code == 201
    assert (await guarded.post("/v1/namespaces/team-b/runs", json=body)).status_code == 403


async def test_the_record_says_who_asked(
    guarded: httpx2.AsyncClient, answers: Answers, ledger: Any
) -> None:
    answers.allowed = {("create taskruns", "default"), ("create taskruns/cancel", "default")}
    run_id = (await guarded.post(RUNS, json={"task": "dummy_task"})).json()["id"]
    await guarded.post(f"{RUNS}/{run_id}:cancel")
    [spec] = ledger.submitted
    assert spec.requested_by == "alice"
    [cancel] = [each for each in ledger.asked if type(each).__name__ == "Cancel"]
    assert cancel.cancellation.by == "alice"


async def test_every_change_leaves_a_line_and_reading_none(
    guarded: httpx2.AsyncClient, answers: Answers, log_lines: list[Any]
) -> None:
    answers.allowed = {("create taskruns", "default"), ("list taskruns", "default")}
    await guarded.get(RUNS)
    await guarded.post(RUNS, json={"task": "dummy_task"})
    [line] = [each for each in log_lines if each["event"] == "audit"]
    assert line["action"] == "create taskruns"
    assert line["namespace"] == "default"
    assert line["source"] == "127.0.0.1"
    assert "alice's token" not in str(log_lines)


async def test_a_queue_needs_the_right_in_the_whole_cluster(
    guarded: httpx2.AsyncClient, answers: Answers
) -> None:
    answers.allowed = {("create taskqueues/pause", "default")}
    assert (await guarded.post("/v1/queues/celery:pause")).status_code == 403
    answers.allowed = {("create taskqueues/pause", "")}
    assert (await guarded.post("/v1/queues/celery:pause")).status_code == 200


async def test_the_short_routes_are_rights_in_their_namespace_and_know_no_other(
    guarded: httpx2.AsyncClient, answers: Answers, memory: Any
) -> None:
    answers.allowed = {("create taskruns", "default"), ("get taskruns", "default")}
    own = (await guarded.get("/start")).json()["id"]
    foreign = RunSpec(run_id="f", task="dummy_task", namespace="team-b", lock="team-b/x")
    memory.execute(Submit(spec=foreign))
    assert (await guarded.get("/status", params={"task_id": own})).status_code == 200
    assert (await guarded.get("/status", params={"task_id": "f"})).status_code == 404
    assert (await guarded.get("/cancel", params={"task_id": own})).status_code == 403


async def test_when_nobody_can_be_asked_nothing_is_allowed(
    guarded: httpx2.AsyncClient, answers: Answers
) -> None:
    answers.error = AccessUnavailable("the API server did not answer")
    answer = await guarded.post(RUNS, json={"task": "dummy_task"})
    assert (answer.status_code, answer.json()["code"]) == (503, "access-unavailable")
