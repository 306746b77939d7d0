"""The description of the API: complete, consistent, and made without a network."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from singletrack_api.schemas import Problem


@pytest.fixture
async def document(client: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_routes_are_these(document: dict[str, Any]) -> None:
    runs, locks = "/v1/namespaces/{ns}/runs", "/v1/namespaces/{ns}/locks"
    assert set(operations(document)) == {
        "GET /start",
        "GET /status",
        "GET /cancel",
        "POST /cancel",
        f"POST {runs}",
        f"GET {runs}",
        f"GET {runs}/{{run_id}}",
        f"PATCH {runs}/{{run_id}}",
        f"GET {runs}/{{run_id}}/result",
        f"POST {runs}/{{run_id}}:cancel",
        f"POST {locks}/{{key}}:release",
        f"POST {runs}/{{run_id}}:confirm-dead",
        f"GET {locks}",
        f"GET {locks}/{{key}}",
        f"POST {locks}/{{key}}:pause",
        f"POST {locks}/{{key}}:resume",
        "GET /v1/queues",
        "GET /v1/queues/{queue}",
        "POST /v1/queues/{queue}:pause",
        "POST /v1/queues/{queue}:resume",
        "GET /livez",
        "GET /readyz",
        "GET /metrics",
    }


def test_every_operation_has_its_own_id_and_a_sentence(document: dict[str, Any]) -> None:
    found = operations(document)
    ids = [operation["operationId"] for operation in found.values()]
    assert len(set(ids)) == len(ids)
    assert all(operation["description"] for operation in found.values())


def test_every_problem_is_of_the_problem_media_type(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        for status, response in operation["responses"].items():
            if not status.startswith("2"):
                assert list(response["content"]) == ["application/problem+json"], (name, status)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for part in json.dumps(document).split('"$ref": "')[1:]:
        _, components, schemas, name = part.split('"')[0].split("/")
        assert name in document[components][schemas]


async def test_a_problem_fits_its_model(client: httpx2.AsyncClient) -> None:
    for path in ("/status", "/nothing", "/v1/namespaces/x/runs?limit=0"):
        Problem.model_validate((await client.get(path)).json())


async def test_there_is_no_page_that_loads_scripts_from_elsewhere(
    client: httpx2.AsyncClient,
) -> None:
    for path in ("/docs", "/redoc"):
        assert (await client.get(path)).status_code == 404
