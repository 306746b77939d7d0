"""Locks and queues over REST: who holds one, who waits, pausing and resuming."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from singletrack import operations as ops
from singletrack.access import Caller
from singletrack.adapters.memory import MemoryLedger
from singletrack.catalogue import CatalogueEntry
from singletrack.lifecycle import State
from singletrack.run import RunSpec
from singletrack_api.lock_schemas import LockList, LockStatusView, QueueList, QueueView
from singletrack_api.rights import authorised

LOCKS = "/v1/namespaces/default/locks"
RUNS = "/v1/namespaces/default/runs"
CELERY = "/v1/queues/celery"


@pytest.fixture
def submit(memory: MemoryLedger) -> Any:
    def submit(run_id: str, lock: str = "default/reports/10", **fields: Any) -> ops.Submission:
        spec = RunSpec(run_id=run_id, task="dummy_task", lock=lock, **fields)
        return memory.execute(ops.Submit(spec=spec))

    return submit


async def test_a_lock_shows_its_holder_and_who_waits_in_order(
    client: httpx2.AsyncClient, memory: MemoryLedger, submit: Any
) -> None:
    submit("a", name="monthly")
    reply = memory.execute(ops.Claim(run_id="a", nonce="n", worker="w"))
    submit("b")
    submit("c", priority=5, name="urgent")
    shown = (await client.get(f"{LOCKS}/reports/10")).json()
    LockStatusView.model_validate(shown)
    run = memory.execute(ops.GetRun(run_id="a"))
    assert run
    assert reply.grant
    assert shown["key"] == "default/reports/10"
    holder = shown["holder"]
    assert holder.pop("since").endswith("Z")
    assert holder == {
        "id": "a",
        "name": "monthly",
        "task": "dummy_task",
        "phase": "Starting",
        "fencingToken": reply.grant.token,
        "cancelling": False,
        "suspect": False,
    }
    waiting = [(one["position"], one["id"], one["name"]) for one in shown["waiting"]]
    assert waiting == [(1, "c", "urgent"), (2, "b", "")]
    assert (shown["waitingCount"], shown["pause"]) == (2, None)


async def test_of_a_long_list_the_first_are_described_and_all_are_counted(
    client: httpx2.AsyncClient, submit: Any
) -> None:
    for number in range(6):
        submit(f"r{number}")
    shown = (await client.get(f"{LOCKS}/reports/10?limit=2")).json()
    assert [one["id"] for one in shown["waiting"]] == ["r1", "r2"]
    assert shown["waitingCount"] == 5


async def test_a_lock_nobody_uses_is_free(client: httpx2.AsyncClient) -> None:
    assert (await client.get(f"{LOCKS}/whatever")).json() == {
        "key": "default/whatever",
        "holder": None,
        "pause": None,
        "waitingCount": 0,
        "waiting": [],
    }


async def test_a_paused_lock_says_so_and_starts_nobody_until_it_is_resumed(
    client: httpx2.AsyncClient, ledger: Any, memory: MemoryLedger, submit: Any
) -> None:
    paused = await client.post(f"{LOCKS}/reports/10:pause", json={"reason": "moving"})
    assert (paused.json()["pause"]["by"], paused.json()["pause"]["reason"]) == ("rest", "moving")
    assert submit("a").state is State.QUEUED
    assert (await client.get(f"{LOCKS}/reports/10")).json()["pause"]["reason"] == "moving"
    resumed = (await client.post(f"{LOCKS}/reports/10:resume")).json()
    assert (resumed["pause"], resumed["holder"]["id"]) == (None, "a")
    assert [type(operation) for operation in ledger.durable] == [ops.PauseLock, ops.ResumeLock]


async def test_a_run_that_waits_says_which_pause_keeps_it(
    client: httpx2.AsyncClient, submit: Any
) -> None:
    submit("a")
    submit("b")
    assert (await client.get(f"{RUNS}/b")).json()["pause"] is None
    await client.post(f"{LOCKS}/reports/10:pause", json={"reason": "moving"})
    await client.post(f"{CELERY}:pause", json={"reason": "new workers"})
    for run_id, of, reason in (("a", "queue", "new workers"), ("b", "lock", "moving")):
        shown = (await client.get(f"{RUNS}/{run_id}")).json()["pause"]
        assert (shown["of"], shown["by"], shown["reason"]) == (of, "rest", reason)
    await client.post(f"{LOCKS}/reports/10:resume")
    assert (await client.get(f"{RUNS}/b")).json()["pause"] is None


async def test_a_pause_needs_no_reason(client: httpx2.AsyncClient) -> None:
    paused = await client.post(f"{LOCKS}/a:pause")
    assert (paused.status_code, paused.json()["pause"]["reason"]) == (200, "")


async def test_who_would_not_wait_is_told_that_the_lock_is_paused(
    client: httpx2.AsyncClient, memory: MemoryLedger
) -> None:
    await client.post(f"{LOCKS}/default:pause")
    for answer in (
        await client.post(RUNS, json={"task": "dummy_task"}),
        await client.get("/start"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "lock-paused")
    waits = {"task": "dummy_task", "lock": {"policy": "Queue"}}
    assert (await client.post(RUNS, json=waits)).json()["phase"] == "Queued"


@pytest.mark.parametrize(
    "key", ["a b", "reports/{month}", "%E2%98%83", "a:cancel", "x/y/z", "..%2F..", "a%25b"]
)
async def test_a_key_may_be_any_text(client: httpx2.AsyncClient, key: str) -> None:
    paused = (await client.post(f"{LOCKS}/{key}:pause")).json()
    shown = (await client.get(f"{LOCKS}/{key}")).json()
    assert shown["pause"]
    assert shown["key"] == paused["key"]
    assert (await client.post(f"{LOCKS}/{key}:resume")).json()["pause"] is None


@pytest.mark.parametrize("key", ["a%0Ab", "x" * 254, "%00"])
async def test_a_key_no_lock_can_have_is_a_bad_request(
    client: httpx2.AsyncClient, key: str
) -> None:
    answer = await client.get(f"{LOCKS}/{key}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")


async def test_a_paused_queue_holds_runs_back_until_it_is_resumed(
    client: httpx2.AsyncClient, ledger: Any, memory: MemoryLedger, submit: Any
) -> None:
    submit("a")
    paused = (await client.post(f"{CELERY}:pause", json={"reason": "new workers"})).json()
    QueueView.model_validate(paused)
    assert (paused["name"], paused["parked"]) == ("celery", 1)
    assert (paused["pause"]["by"], paused["pause"]["reason"]) == ("rest", "new workers")
    assert memory.execute(ops.ListDue()) == ()
    assert (await client.get(CELERY)).json() == paused
    resumed = (await client.post(f"{CELERY}:resume")).json()
    assert resumed == {"name": "celery", "pause": None, "parked": 0}
    assert [run.run_id for run in memory.execute(ops.ListDue())] == ["a"]
    assert [type(operation) for operation in ledger.durable] == [ops.PauseQueue, ops.ResumeQueue]


@pytest.mark.parametrize("path", [f"{LOCKS}/a:pause", f"{CELERY}:pause"])
async def test_a_pause_with_words_nobody_knows_is_refused(
    client: httpx2.AsyncClient, memory: MemoryLedger, path: str
) -> None:
    answer = await client.post(path, json={"because": "x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body")


async def test_a_queue_with_a_name_no_queue_can_have_is_a_bad_request(
    client: httpx2.AsyncClient,
) -> None:
    assert (await client.get("/v1/queues/{st}:meta")).status_code == 400


# --- lists ----------------------------------------------------------------------------------------


async def test_the_locks_somebody_uses_are_listed_by_name(
    client: httpx2.AsyncClient, memory: MemoryLedger, submit: Any
) -> None:
    submit("a", lock="default/b", name="monthly")
    reply = memory.execute(ops.Claim(run_id="a", nonce="n", worker="w"))
    submit("b", lock="default/b")
    submit("elsewhere", lock="other/c", namespace="other")
    await client.post(f"{LOCKS}/a:pause", json={"reason": "quarter end"})
    shown = (await client.get(LOCKS)).json()
    LockList.model_validate(shown)
    paused, held = shown["items"]
    assert (paused["key"], paused["holder"], paused["waitingCount"]) == ("default/a", None, 0)
    assert paused["pause"]["reason"] == "quarter end"
    assert reply.grant
    assert held == {
        "key": "default/b",
        "holder": {"id": "a", "name": "monthly"},
        "fencingToken": reply.grant.token,
        "suspect": False,
        "pause": None,
        "waitingCount": 1,
    }
    assert shown["next"] is None


async def test_a_long_list_of_locks_comes_in_pages(client: httpx2.AsyncClient, submit: Any) -> None:
    keys = [f"default/reports/{name}" for name in ("a b", "c/d", "e&f", "g")]
    for key in keys:
        submit(key, lock=key)
    found, target = [], f"{LOCKS}?limit=1"
    while target:
        page = await client.get(target)
        found += [lock["key"] for lock in page.json()["items"]]
        target = page.links["next"]["url"] if "next" in page.links else ""
    assert found == keys


async def test_queues_that_tasks_use_or_that_are_paused_are_listed(
    client: httpx2.AsyncClient, memory: MemoryLedger
) -> None:
    entry = CatalogueEntry(name="mail", parameters={}, queue="mails")
    memory.execute(ops.RegisterTasks(entries={"mail": entry.to_json()}))
    await client.post("/v1/queues/images:pause")
    pages = [await client.get("/v1/queues?limit=2")]
    pages.append(await client.get(pages[0].links["next"]["url"]))
    shown = [QueueList.model_validate(page.json()) for page in pages]
    assert [queue.name for page in shown for queue in page.items] == ["celery", "images", "mails"]
    assert [queue.name for page in shown for queue in page.items if queue.pause] == ["images"]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "cursor=" + "k" * 254])
async def test_what_a_list_is_asked_for_has_bounds(client: httpx2.AsyncClient, query: str) -> None:
    for path in (LOCKS, "/v1/queues"):
        answer = await client.get(f"{path}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")


async def test_a_pause_names_the_caller_if_one_is_known(
    client: httpx2.AsyncClient, app: FastAPI
) -> None:
    app.dependency_overrides[authorised] = lambda: Caller(name="alice")
    await client.post(f"{LOCKS}/a:pause")
    assert (await client.get(f"{LOCKS}/a")).json()["pause"]["by"] == "alice"
