"""Suspect locks over REST: shown, released or confirmed dead by a human who is named."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from singletrack import operations as ops
from singletrack.adapters.memory import MemoryLedger
from singletrack.lifecycle import State
from singletrack.locks import OnLost
from singletrack.operations import Grant
from singletrack.run import RunSpec
from singletrack_api.lock_schemas import LockStatusView
from singletrack_api.schemas import RunView

LOCK = "/v1/namespaces/default/locks/reports/10"
RUN = "/v1/namespaces/default/runs/a"
WHY = {"reason": "the rack has no power", "by": "alice"}


def start(memory: MemoryLedger, *, suspect: bool) -> Grant:
    spec = RunSpec(run_id="a", task="dummy_task", lock="default/reports/10", on_lost=OnLost.HOLD)
    memory.execute(ops.Submit(spec=spec))
    grant = memory.execute(ops.Claim(run_id="a", nonce="n", worker="w")).grant
    assert grant
    memory.execute(ops.Begin(run_id="a", nonce="n"))
    if suspect:
        memory.execute(ops.Expire(run_id="a", nonce="n", lease_seq=1))
    return grant


@pytest.fixture
def suspect(memory: MemoryLedger) -> Grant:
    return start(memory, suspect=True)


@pytest.fixture
def running(memory: MemoryLedger) -> Grant:
    return start(memory, suspect=False)


def record(memory: MemoryLedger) -> Any:
    return memory.execute(ops.GetRun(run_id="a"))


@pytest.mark.usefixtures("suspect")
async def test_a_suspect_run_and_its_lock_say_so(client: httpx2.AsyncClient) -> None:
    run = (await client.get(RUN)).json()
    RunView.model_validate(run)
    assert (run["phase"], run["lock"]["onLost"]) == ("Running", "Hold")
    assert run["lock"]["suspectTime"].endswith("Z")
    assert (await client.get(LOCK)).json()["holder"]["suspect"] is True


@pytest.mark.usefixtures("running")
async def test_a_run_that_is_heard_of_is_not_suspect(client: httpx2.AsyncClient) -> None:
    assert (await client.get(RUN)).json()["lock"]["suspectTime"] is None
    assert (await client.get(LOCK)).json()["holder"]["suspect"] is False


async def test_a_suspect_lock_is_released_by_somebody_who_is_named(
    client: httpx2.AsyncClient, memory: MemoryLedger, suspect: Grant
) -> None:
    memory.execute(
        ops.Submit(spec=RunSpec(run_id="b", task="dummy_task", lock="default/reports/10"))
    )
    answer = await client.post(f"{LOCK}:release", json={**WHY, "fencingToken": suspect.token})
    assert answer.status_code == 200
    LockStatusView.model_validate(answer.json())
    assert answer.json()["holder"]["id"] == "b"
    run = record(memory)
    assert run.state is State.LOST
    assert run.failure.reason == "WorkerUnreachable"
    assert "alice (rest)" in run.failure.message
    assert "the rack has no power" in run.failure.message


@pytest.mark.usefixtures("running")
async def test_a_lock_whose_holder_is_heard_of_is_not_released(
    client: httpx2.AsyncClient, memory: MemoryLedger
) -> None:
    answer = await client.post(f"{LOCK}:release", json=WHY)
    assert (answer.status_code, answer.json()["code"]) == (409, "lock-not-suspect")
    assert record(memory).state is State.RUNNING


async def test_another_holder_than_the_one_meant_is_not_released(
    client: httpx2.AsyncClient, memory: MemoryLedger, suspect: Grant
) -> None:
    meant = {**WHY, "fencingToken": suspect.token - 1}
    answer = await client.post(f"{LOCK}:release", json=meant)
    assert (answer.status_code, answer.json()["code"]) == (409, "lock-not-suspect")
    assert record(memory).state is State.RUNNING


async def test_a_lock_nobody_holds_is_not_released(client: httpx2.AsyncClient) -> None:
    answer = await client.post(f"{LOCK}:release", json=WHY)
    assert (answer.status_code, answer.json()["code"]) == (409, "lock-not-suspect")


@pytest.mark.parametrize("body", [None, {}, {"reason": ""}, {"reason": "x", "force": True}])
@pytest.mark.parametrize("path", [f"{LOCK}:release", f"{RUN}:confirm-dead"])
@pytest.mark.usefixtures("suspect")
async def test_without_a_reason_nothing_is_given_up(
    client: httpx2.AsyncClient, memory: MemoryLedger, path: str, body: Any
) -> None:
    answer = await client.post(path, json=body)
    assert answer.status_code in {400, 422}
    assert record(memory).state is State.RUNNING


@pytest.mark.usefixtures("suspect")
async def test_nothing_is_given_up_while_the_ledger_recovers(
    client: httpx2.AsyncClient, memory: MemoryLedger
) -> None:
    memory.restart()
    for path in (f"{LOCK}:release", f"{RUN}:confirm-dead"):
        answer = await client.post(path, json=WHY)
        assert (answer.status_code, answer.json()["code"]) == (503, "ledger-recovering")


@pytest.mark.usefixtures("suspect")
async def test_a_process_confirmed_dead_ends_its_run(
    client: httpx2.AsyncClient, memory: MemoryLedger
) -> None:
    answer = await client.post(f"{RUN}:confirm-dead", json=WHY)
    assert (answer.status_code, answer.json()["phase"]) == (200, "Lost")
    assert "alice (rest)" in record(memory).failure.message
    again = await client.post(f"{RUN}:confirm-dead", json=WHY)
    assert (again.status_code, again.json()["code"]) == (409, "run-not-suspect")


@pytest.mark.usefixtures("running")
async def test_a_run_that_is_heard_of_cannot_be_confirmed_dead(
    client: httpx2.AsyncClient, memory: MemoryLedger
) -> None:
    answer = await client.post(f"{RUN}:confirm-dead", json=WHY)
    assert (answer.status_code, answer.json()["code"]) == (409, "run-not-suspect")
    assert record(memory).state is State.RUNNING


async def test_a_run_asks_for_what_becomes_of_its_lock(
    client: httpx2.AsyncClient, memory: MemoryLedger
) -> None:
    body = {"task": "dummy_task", "lock": {"key": "x", "onLost": "Hold"}}
    created = (await client.post("/v1/namespaces/default/runs", json=body)).json()
    assert created["lock"]["onLost"] == "Hold"
    found = memory.execute(ops.GetRun(run_id=created["id"]))
    assert found
    assert found.spec.on_lost is OnLost.HOLD
