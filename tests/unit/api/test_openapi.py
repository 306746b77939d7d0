"""The description of the API: complete, consistent, and made without a network."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from support.local_platform import ROOT

from singletrack_api.printing import render
from singletrack_api.rights import RIGHTS
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
        f"DELETE {runs}/{{run_id}}",
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


def test_the_document_is_what_its_standard_asks_for(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_the_document_in_the_repository_is_the_one_that_is_served(
    document: dict[str, Any],
) -> None:
    kept = (ROOT / "docs/reference/openapi.json").read_text()
    assert kept == render(), "run: make openapi"
    assert json.loads(kept) == document


def test_every_route_says_with_which_problems_it_answers(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        told = set(operation["responses"])
        asked = {"default"}
        if "/v1/" in name:
            asked |= {"400", "503"}
        if "{run_id}" in name:
            asked.add("404")
        if "requestBody" in operation:
            asked |= {"413", "415", "422"}
        if operation["operationId"] in RIGHTS:
            asked |= {"401", "403"}
            assert operation["security"] == [{"bearer": []}, {}]
        if name not in WITHOUT_PROBLEMS:
            assert asked <= told, name


#: Supervisors read the status alone, and they ask for nothing that could be wrong.
WITHOUT_PROBLEMS = {"GET /livez", "GET /metrics"}


def examples(part: Any, schema: Any = None) -> Any:
    """Every example of the document with the schema it belongs to."""
    if isinstance(part, list):
        for item in part:
            yield from examples(item)
    if not isinstance(part, dict):
        return
    own = part.get("schema") or ({**part, "examples": []} if "type" in part else None)
    found = part.get("examples", [])
    for example in found if isinstance(found, list) else [e["value"] for e in found.values()]:
        yield example, own
    if "example" in part:
        yield part["example"], own
    for name, item in part.items():
        if name not in {"example", "examples"}:
            yield from examples(item)


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    checked = 0
    for example, schema in examples(document):
        assert schema, f"an example without a schema: {example}"
        jsonschema_rs.validate({"components": document["components"], **schema}, example)
        checked += 1
    assert checked >= 5
