"""`DELETE /v1/…/runs/{id}`: what a client is told, and what it finds afterwards."""

from __future__ import annotations

import httpx2

from singletrack import operations as ops
from singletrack.adapters.memory import MemoryLedger

RUNS = "/v1/namespaces/default/runs"


async def test_a_run_that_has_ended_is_deleted_at_once(
    client: httpx2.AsyncClient, memory: MemoryLedger
) -> None:
    run = (await client.post(RUNS, json={"task": "dummy_task"})).json()
    await client.post(f"{RUNS}/{run['id']}:cancel")
    answer = await client.delete(f"{RUNS}/{run['id']}")
    assert (answer.status_code, answer.text) == (204, "")
    for path in (
        f"{RUNS}/{run['id']}",
        f"{RUNS}/{run['id']}/result",
        f"/status?task_id={run['id']}",
    ):
        gone = await client.get(path)
        assert (gone.status_code, gone.json()["code"]) == (404, "run-not-found")
    assert (await client.delete(f"{RUNS}/{run['id']}")).status_code == 404
    assert (await client.get(RUNS)).json()["items"] == []


async def test_a_run_at_work_is_stopped_and_deleted_at_its_end(
    client: httpx2.AsyncClient, memory: MemoryLedger
) -> None:
    run_id = (await client.post(RUNS, json={"task": "dummy_task"})).json()["id"]
    memory.execute(ops.Start(run_id=run_id, nonce="n", worker="w"))
    answer = await client.delete(f"{RUNS}/{run_id}")
    assert answer.status_code == 202
    assert (answer.json()["phase"], answer.json()["cancellation"]["reason"]) == (
        "Running",
        "the run was deleted",
    )
    memory.execute(ops.ChildGone(run_id=run_id, nonce="n", cause=ops.Cause.CANCELLED))
    assert (await client.get(f"{RUNS}/{run_id}")).status_code == 404


async def test_a_deleted_runs_idempotency_key_starts_nothing(client: httpx2.AsyncClient) -> None:
    asked = {"json": {"task": "dummy_task"}, "headers": {"Idempotency-Key": "once"}}
    run_id = (await client.post(RUNS, **asked)).json()["id"]
    assert (await client.delete(f"{RUNS}/{run_id}")).status_code == 204
    again = await client.post(RUNS, **asked)
    assert (again.status_code, again.json()["code"]) == (422, "idempotency-key-reused")
    assert "was deleted" in again.json()["detail"]
