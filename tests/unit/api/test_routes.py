"""What the routes make of a request before anything real is behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from singletrack.adapters.memory import MemoryLedger
from singletrack.errors import LedgerUnavailable
from singletrack.operations import (
    GetRun,
    LatestRun,
    ListRuns,
    ReadServer,
)
from singletrack.policies import Policy
from singletrack.run import Door, Run
from singletrack.settings import Settings

RUNS = "/v1/namespaces/default/runs"


async def test_start_takes_the_parameters_the_task_knows_and_reads_them_by_its_schema(
    client: httpx2.AsyncClient, ledger: Any
) -> None:
    query = "name=7&times=7&loud=TRUE&data=x&anything=7&utm_source=mail"
    assert (await client.get(f"/start?{query}")).status_code == 422, "a list cannot be given"
    assert (await client.get(f"/start?{query.replace('data=x&', '')}")).status_code == 200
    [spec] = ledger.submitted
    assert spec.kwargs == {"name": "7", "times": 7, "loud": True, "anything": "7"}


async def test_start_names_the_parameter_it_could_not_read(
    client: httpx2.AsyncClient, ledger: Any
) -> None:
    answer = await client.get("/start?times=often")
    assert answer.status_code == 422
    assert "times" in answer.json()["detail"]
    assert not ledger.submitted


async def test_start_rejects_by_default_and_submits_at_the_rest_door(
    client: httpx2.AsyncClient, ledger: Any
) -> None:
    await client.get("/start")
    [spec] = ledger.submitted
    assert (spec.door, spec.policy, spec.namespace) == (Door.REST, Policy.REJECT, "default")
    assert spec.envelope == f"envelope of {spec.run_id}"


class TestWithSettings:
    @pytest.fixture
    def settings(self, monkeypatch: pytest.MonkeyPatch) -> Settings:
        monkeypatch.setenv("SINGLETRACK_START_TASK", "other_task")
        monkeypatch.setenv("SINGLETRACK_NAMESPACE", "team-a")
        return Settings()

    async def test_the_task_and_the_namespace_of_start_are_settings(
        self, client: httpx2.AsyncClient, ledger: Any
    ) -> None:
        assert "other_task" in (await client.get("/start")).json()["detail"]
        await client.get("/status")
        assert ledger.asked[-1] == LatestRun(namespace="team-a")


async def test_start_gives_up_in_time_when_the_ledger_hangs(
    app: FastAPI, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("singletrack_api.seed.START_SECONDS", 0.01)
    monkeypatch.setattr(app.state.parts.intake, "submit", never)
    answer = await client.get("/start")
    assert (answer.status_code, answer.json()["detail"]) == (500, "Could not acquire lock")


@pytest.mark.parametrize("answer", [None, LedgerUnavailable()])
async def test_an_accepted_run_without_a_record_to_show_is_pending(
    client: httpx2.AsyncClient, ledger: Any, answer: Any
) -> None:
    ledger.answers[GetRun] = answer
    created = await client.post(RUNS, json={"task": "dummy_task"})
    assert created.status_code == 201
    run = created.json()
    assert (run["phase"], run["celeryState"]) == ("Pending", "PENDING")
    assert created.headers["location"] == f"{RUNS}/{run['id']}"


async def test_everything_a_request_can_say_reaches_the_ledger(
    client: httpx2.AsyncClient, ledger: Any
) -> None:
    body = {
        "task": "dummy_task",
        "params": {"name": "Ada"},
        "queue": "slow",
        "priority": -5,
        "lock": {"key": "k/{name}", "policy": "Queue", "maxQueue": 3},
        "timeoutSeconds": 1.5,
        "softTimeoutSeconds": 0.5,
        "startDeadlineSeconds": 2,
        "queueTimeoutSeconds": 3,
        "ttlSecondsAfterFinished": 0,
    }
    await client.post("/v1/namespaces/team-a/runs", json=body)
    [spec] = ledger.submitted
    assert replace(spec, run_id="", envelope="") == replace(
        spec,
        run_id="",
        envelope="",
        namespace="team-a",
        lock="team-a/k/Ada",
        policy=Policy.QUEUE,
        max_queue=3,
        queue="slow",
        priority=-5,
        timeout_seconds=1.5,
        soft_timeout_seconds=0.5,
        start_deadline_seconds=2,
        queue_timeout_seconds=3,
        ttl_seconds=0,
    )


async def test_the_same_key_makes_the_same_id_in_its_namespace(
    client: httpx2.AsyncClient, ledger: Any
) -> None:
    key = {"Idempotency-Key": "k"}
    for namespace in ("a", "a", "b"):
        path = f"/v1/namespaces/{namespace}/runs"
        await client.post(path, json={"task": "dummy_task"}, headers=key)
    one, two, three = [spec.run_id for spec in ledger.submitted]
    assert one == two != three


async def test_the_next_page_starts_behind_the_last_run_shown(
    client: httpx2.AsyncClient, ledger: Any, make_run: Callable[..., Run]
) -> None:
    ledger.answers[ListRuns] = tuple(make_run(sequence=number) for number in (300, 299, 298))
    page = await client.get(f"{RUNS}?limit=2")
    assert len(page.json()["items"]) == 2
    assert page.links["next"]["url"] == f"{RUNS}?limit=2&cursor=12b"
    await client.get(page.links["next"]["url"])
    assert ledger.asked[-1] == ListRuns(namespace="default", limit=3, before=299)


async def test_the_last_page_has_no_next(
    client: httpx2.AsyncClient, ledger: Any, make_run: Callable[..., Run]
) -> None:
    ledger.answers[ListRuns] = (make_run(), make_run())
    page = await client.get(f"{RUNS}?limit=2")
    assert page.json()["next"] is None
    assert not page.links


async def test_readyz_says_how_safe_a_write_is(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["ledger"] == {
        "reachable": True,
        "blessed": True,
        "server": "memory 1",
        "durability": "strict",
        "durabilityDetail": "memory 1, append-only file on, fsync always, 0 replicas, begin is "
        "confirmed by reply",
    }


async def test_readyz_is_503_until_the_server_is_blessed(
    client: httpx2.AsyncClient, memory: MemoryLedger
) -> None:
    memory.restart()
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ledger"]["blessed"] is False
    assert (await client.get("/livez")).status_code == 200


async def test_readyz_names_an_eviction_policy_and_what_mends_it(
    client: httpx2.AsyncClient, ledger: Any, memory: MemoryLedger
) -> None:
    status = memory.execute(ReadServer())
    ledger.answers[ReadServer] = replace(status, eviction_policy="allkeys-lru")
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "'allkeys-lru'" in answer.json()["detail"]
    assert "CONFIG SET maxmemory-policy noeviction" in answer.json()["detail"]


async def test_readyz_shows_how_a_start_is_confirmed_now(
    client: httpx2.AsyncClient, ledger: Any, memory: MemoryLedger
) -> None:
    status = replace(memory.execute(ReadServer()), flavour="valkey", version="9.1")
    ledger.answers[ReadServer] = replace(status, fsync="everysec")
    shown = (await client.get("/readyz")).json()["ledger"]["durabilityDetail"]
    assert shown.endswith("fsync everysec, 0 replicas, begin is confirmed by waitaof")


async def test_readyz_is_503_while_the_server_could_forget_a_start(
    client: httpx2.AsyncClient, ledger: Any, memory: MemoryLedger
) -> None:
    status = replace(memory.execute(ReadServer()), flavour="redis", version="7.0.15")
    ledger.answers[ReadServer] = replace(status, aof_enabled=False)
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "CONFIG SET appendonly yes" in answer.json()["detail"]


async def test_a_sane_request_id_is_kept_and_another_replaced(client: httpx2.AsyncClient) -> None:
    for given, kept in (("abc-1", True), ("x" * 65, False), ("a b", False)):
        answer = await client.get("/livez", headers={"X-Request-ID": given})
        assert (answer.headers["x-request-id"] == given) is kept


async def test_unknown_paths_and_methods_make_no_series_of_their_own(
    client: httpx2.AsyncClient,
) -> None:
    await client.request("BREW", "/secret/path")
    page = (await client.get("/metrics")).text
    assert "secret" not in page
    assert "BREW" not in page
    assert 'code="4xx",method="other",route="unmatched"' in page


async def test_probes_are_not_logged_unless_they_fail(
    client: httpx2.AsyncClient, memory: MemoryLedger, log_lines: list[Any]
) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        await client.get(path)
    assert log_lines == []
    memory.restart()
    await client.get("/readyz")
    assert [(line["event"], line["status"]) for line in log_lines] == [("request_failed", 503)]
