"""Whatever is sent, the answer is a run or a problem of the client's, never one of ours."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from singletrack.lifecycle import State
from singletrack.operations import Submission, Submit, Verdict

PATH = "/v1/namespaces/default/runs"

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec=None), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
parameters = st.dictionaries(
    st.sampled_from(["name", "times", "loud", "data", "anything", "else"]), values, max_size=4
)
bodies = values | st.fixed_dictionaries(
    {"task": st.just("dummy_task") | values},
    optional={
        "params": parameters | values,
        "queue": values,
        "priority": values,
        "lock": values
        | st.fixed_dictionaries({}, optional={"key": values, "policy": values, "maxQueue": values}),
        "timeoutSeconds": values,
        "softTimeoutSeconds": values,
        "ttlSecondsAfterFinished": values,
    },
)


@pytest.fixture
def post(app: FastAPI) -> Any:
    async def send(body: Any) -> httpx2.Response:
        transport = httpx2.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
        ):
            headers = {"Content-Type": "application/json"}
            return await client.post(PATH, content=json.dumps(body), headers=headers)

    return lambda body: asyncio.run(send(body))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies)
def test_any_body_is_accepted_or_refused_with_a_problem(post: Any, ledger: Any, body: Any) -> None:
    ledger.answers[Submit] = Submission(verdict=Verdict.OK, state=State.READY, created=True)
    answer = post(body)
    if answer.status_code == 201:
        assert answer.json()["task"] == "dummy_task"
    else:
        assert answer.status_code in {400, 404, 413, 422}, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


@pytest.mark.parametrize(
    "params",
    [
        {"times": 10**30},
        {"times": 1e308},
        {"times": 10**400},
        {"anything": {"": "\x00"}},
        {"anything": [10**30]},
    ],
)
def test_large_numbers_and_odd_texts_are_no_fault_of_ours(post: Any, params: Any) -> None:
    assert post({"task": "dummy_task", "params": params}).status_code in {201, 422}
