"""Every error is a problem document with the right status, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from singletrack import errors
from singletrack.adapters.memory import MemoryLedger
from singletrack.errors import LedgerRefused, LedgerUnavailable
from singletrack.operations import ListRuns, ListTasks, ReadServer, Submit
from singletrack.run import RunSpec
from singletrack_api.errors import KINDS, TYPE_BASE

RUNS = "/v1/namespaces/default/runs"
JSON = {"Content-Type": "application/json"}


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The document, after making sure that it is a whole one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["code"] == code
    assert document["type"] == TYPE_BASE + code
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["instance"] == answer.url.path
    assert document["requestId"] == answer.headers["x-request-id"]
    return document


async def test_an_unknown_path_and_a_wrong_method(client: httpx2.AsyncClient) -> None:
    problem(await client.get("/nothing"), 404, "not-found")
    for path, allowed in (
        (RUNS, {"GET", "POST"}),
        ("/cancel", {"GET", "POST"}),
        (f"{RUNS}/r1", {"DELETE", "GET", "PATCH"}),
        (f"{RUNS}/r1:cancel", {"POST"}),
        (f"{RUNS}/r:1", {"DELETE", "GET", "PATCH"}),
        ("/openapi.json", {"GET", "HEAD"}),
    ):
        refused = await client.put(path)
        problem(refused, 405, "method-not-allowed")
        assert set(refused.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("body", [b"{", b"[1,", b"\xff", b"[" * 100_000, b"9" * 5000])
async def test_what_is_no_json_is_400(client: httpx2.AsyncClient, body: bytes) -> None:
    problem(await client.post(RUNS, content=body, headers=JSON), 400, "malformed-json")


async def test_a_malformed_body_says_where(client: httpx2.AsyncClient) -> None:
    answer = await client.post(RUNS, content=b'{"task": }', headers=JSON)
    assert "character 9" in problem(answer, 400, "malformed-json")["detail"]


@pytest.mark.parametrize(
    ("body", "pointer", "reason"),
    [
        ({}, "/task", "Field required"),
        ([], "", "valid dictionary"),
        ({"task": "dummy_task", "tusk": 1}, "/tusk", "there is no such field"),
        ({"task": "dummy_task", "lock": {"policy": "Hope"}}, "/lock/policy", "'Replace'"),
        ({"task": "dummy_task", "priority": 5000}, "/priority", "less than or equal to 1000"),
        ({"task": "dummy_task", "timeoutSeconds": 0}, "/timeoutSeconds", "greater than"),
        ({"task": "dummy_task", "timeoutSeconds": "5"}, "/timeoutSeconds", "valid number"),
        ({"task": "dummy_task", "softTimeoutSeconds": 0}, "/softTimeoutSeconds", "greater than"),
        ({"task": "dummy_task", "priority": True}, "/priority", "valid integer"),
        ({"task": "dummy_task", "queue": "{st}:meta"}, "/queue", "pattern"),
        ({"task": "dummy_task", "a/b~c": 1}, "/a~1b~0c", "there is no such field"),
        ({"task": "dummy_task", "\ud800": 1}, "", ""),
        ({"task": "dummy_task", "params": {"name": "\ud800"}}, "/params", "surrogate"),
        ({"task": "dummy_task", "params": {"\ud800": 1}}, "/params", "surrogate"),
    ],
)
async def test_a_body_with_a_wrong_field_is_422_and_points_at_it(
    client: httpx2.AsyncClient, body: Any, pointer: str, reason: str
) -> None:
    answer = await client.post(RUNS, content=json.dumps(body), headers=JSON)
    found = problem(answer, 422, "invalid-body")
    assert found["errors"][0]["pointer"] == pointer
    assert reason in found["errors"][0]["reason"]
    assert reason in found["detail"]


async def test_parameters_that_nest_too_deep_are_422(client: httpx2.AsyncClient) -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    body = {"task": "dummy_task", "params": {"anything": deep}}
    assert "levels" in problem(await client.post(RUNS, json=body), 422, "invalid-body")["detail"]


@pytest.mark.parametrize("key", ["{", "{name", "{name.x}", "{0}", "a{name}", "a\nb", "x" * 300])
async def test_a_lock_key_that_cannot_be_is_422(client: httpx2.AsyncClient, key: str) -> None:
    body = {"task": "dummy_task", "lock": {"key": key}}
    answer = await client.post(RUNS, json=body)
    assert answer.status_code == 422, answer.text


async def test_nan_is_422(client: httpx2.AsyncClient) -> None:
    body = b'{"task": "dummy_task", "params": {"anything": NaN}}'
    problem(await client.post(RUNS, content=body, headers=JSON), 422, "invalid-parameters")


async def test_a_parameter_of_the_wrong_type_is_named(client: httpx2.AsyncClient) -> None:
    body = {"task": "dummy_task", "params": {"times": "often"}}
    found = problem(await client.post(RUNS, json=body), 422, "invalid-parameters")
    assert "params.times" in found["detail"]
    assert found["errors"][0]["pointer"] == "/params/times"


async def test_an_unknown_parameter_is_named(client: httpx2.AsyncClient) -> None:
    body = {"task": "dummy_task", "params": {"nome": "Ada"}}
    found = problem(await client.post(RUNS, json=body), 422, "invalid-parameters")
    assert "nome" in found["detail"]


async def test_an_unknown_task_is_404_and_names_the_ones_there_are(
    client: httpx2.AsyncClient,
) -> None:
    found = problem(await client.post(RUNS, json={"task": "x"}), 404, "task-not-registered")
    assert "'x'" in found["detail"]
    assert "dummy_task" in found["detail"]


async def test_parameters_above_their_own_limit_are_413(client: httpx2.AsyncClient) -> None:
    body = {"task": "dummy_task", "params": {"name": "x" * 17_000}}
    found = problem(await client.post(RUNS, json=body), 413, "parameters-too-large")
    assert "16384" in found["detail"]


@pytest.mark.parametrize("path", [RUNS, f"{RUNS}/r1:cancel", "/cancel", "/nothing"])
async def test_a_large_body_is_413_wherever_it_is_sent(
    client: httpx2.AsyncClient, path: str
) -> None:
    answer = await client.post(path, content=b"x" * 300_000, headers=JSON)
    assert "262144" in problem(answer, 413, "body-too-large")["detail"]


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/plain", ""])
async def test_a_body_that_is_not_called_json_is_415(
    client: httpx2.AsyncClient, media_type: str
) -> None:
    answer = await client.post(RUNS, content=b"{}", headers={"Content-Type": media_type})
    problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "path",
    [
        f"{RUNS}?limit=0",
        f"{RUNS}?limit=501",
        f"{RUNS}?limit=x",
        f"{RUNS}?cursor=%20nothing",
        "/v1/namespaces/Not_A_Label/runs",
        "/status?task_id=",
    ],
)
async def test_a_wrong_parameter_of_the_request_is_400(
    client: httpx2.AsyncClient, path: str
) -> None:
    problem(await client.get(path), 400, "invalid-request")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Host", "evil.example.com"),
        ("Host", "evil.example.com:8000"),
        ("Host", "[broken"),
    ],
)
async def test_other_web_sites_cannot_drive_the_api(
    client: httpx2.AsyncClient, header: str, value: str
) -> None:
    for path in ("/start", "/cancel", RUNS):
        problem(await client.get(path, headers={header: value}), 403, "foreign-origin")


@pytest.mark.parametrize(
    "host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "api", "a.localhost"]
)
async def test_the_names_of_this_machine_are_fine(client: httpx2.AsyncClient, host: str) -> None:
    headers = {"Host": host, "Sec-Fetch-Site": "none"}
    assert (await client.get(RUNS, headers=headers)).status_code == 200


async def test_a_held_lock_names_the_holder_and_its_taskrun(
    client: httpx2.AsyncClient, memory: MemoryLedger
) -> None:
    holder = RunSpec(run_id="r9", name="nightly", task="x", lock="default/default")
    memory.execute(Submit(spec=holder))
    found = problem(await client.post(RUNS, json={"task": "dummy_task"}), 409, "lock-held")
    assert found["lock"] == {"key": "default/default", "holder": {"id": "r9", "name": "nightly"}}
    start = await client.get("/start")
    assert (start.status_code, start.json()["lock"]) == (400, found["lock"])


@pytest.mark.parametrize("error", [LedgerUnavailable("gone"), LedgerRefused("no room")])
async def test_a_ledger_that_fails_is_503(
    client: httpx2.AsyncClient, ledger: Any, error: errors.LedgerError
) -> None:
    ledger.answers |= {ListRuns: error, ListTasks: error, ReadServer: error}
    answer = await client.get(RUNS)
    assert (answer.status_code, answer.json()["detail"]) == (503, str(error))
    assert answer.headers["retry-after"] == "2"
    start = await client.get("/start")
    assert (start.status_code, start.json()["detail"]) == (500, "Could not acquire lock")
    problem(await client.get("/readyz"), 503, "not-ready")


async def test_a_fault_of_ours_is_500_without_its_words(
    client: httpx2.AsyncClient, ledger: Any, log_lines: list[Any]
) -> None:
    ledger.answers[ListRuns] = RuntimeError("the password is 1234")
    answer = await client.get(RUNS)
    problem(answer, 500, "internal-error")
    assert "1234" not in answer.text
    [line] = log_lines
    assert line["log_level"] == "error"
    assert "1234" in str(line["exc_info"])


async def test_a_failure_is_one_log_line_that_says_why(
    client: httpx2.AsyncClient, ledger: Any, log_lines: list[Any]
) -> None:
    ledger.answers[ListRuns] = LedgerUnavailable("no answer from 10.0.0.1")
    await client.get(RUNS)
    [line] = log_lines
    assert (line["problem"], line["error"]) == ("ledger-unavailable", "no answer from 10.0.0.1")


async def test_a_long_value_is_not_sent_back_whole(client: httpx2.AsyncClient) -> None:
    body = {"task": "dummy_task", "params": {"times": "x" * 16_000}}
    assert len((await client.post(RUNS, json=body)).content) < 4000


def test_every_error_of_the_core_has_a_kind_or_is_no_answer() -> None:
    family = {errors.IntakeError, errors.LedgerError}
    subclasses = {leaf for parent in family for leaf in parent.__subclasses__()}
    leaves = {leaf for leaf in subclasses if leaf.__module__ == errors.__name__}
    assert leaves
    assert leaves <= set(KINDS)
