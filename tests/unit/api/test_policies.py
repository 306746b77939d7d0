"""What each policy answers at the REST door, and what is read of a joined run afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from singletrack import operations as ops
from singletrack.adapters.memory import MemoryLedger
from singletrack.lifecycle import State
from singletrack.operations import Grant
from singletrack.policies import Policy
from singletrack.run import Failure, Outcome, RunSpec
from singletrack_api.schemas import ForecastView

RUNS = "/v1/namespaces/default/runs"
FAILURE = Failure(reason="TaskError", message="no", traceback="Traceback…")


def body(policy: str | None = None, **lock: Any) -> dict[str, Any]:
    said = {"policy": policy} if policy else {}
    return {"task": "dummy_task", "lock": said | lock}


@pytest.fixture
def holder(memory: MemoryLedger) -> Grant:
    """A run that holds the lock and executes."""
    spec = RunSpec(run_id="holder", task="dummy_task", lock="default/default", name="monthly")
    started = memory.execute(ops.Start(run_id="holder", nonce="n", worker="w", spec=spec))
    assert started.grant
    return started.grant


def end(memory: MemoryLedger, grant: Grant, outcome: Outcome) -> None:
    memory.execute(ops.Finish(run_id=grant.run_id, nonce=grant.nonce, outcome=outcome))


@pytest.mark.parametrize(
    ("policy", "status", "phase"),
    [
        ("Queue", 201, "Queued"),
        ("QueueLatest", 201, "Queued"),
        ("Replace", 201, "Queued"),
        ("Join", 200, "Joined"),
        ("Skip", 200, "Skipped"),
    ],
)
async def test_created_is_what_will_execute(
    client: httpx2.AsyncClient, holder: Grant, policy: str, status: int, phase: str
) -> None:
    answer = await client.post(RUNS, json=body(policy))
    assert (answer.status_code, answer.json()["phase"]) == (status, phase)
    assert answer.json()["policy"] == policy
    shown = await client.get(answer.headers["location"])
    assert shown.json()["phase"] == phase


async def test_rejected_is_a_conflict_that_names_the_holder(
    client: httpx2.AsyncClient, holder: Grant
) -> None:
    answer = await client.post(RUNS, json=body("Reject"))
    assert (answer.status_code, answer.json()["code"]) == (409, "lock-held")
    assert answer.json()["lock"]["holder"] == {"id": "holder", "name": "monthly"}


async def test_a_full_waiting_list_is_too_many_requests_and_the_holder_is_named(
    client: httpx2.AsyncClient, holder: Grant
) -> None:
    assert (await client.post(RUNS, json=body("Queue", maxQueue=1))).status_code == 201
    answer = await client.post(RUNS, json=body("Queue", maxQueue=1))
    assert (answer.status_code, answer.json()["code"]) == (429, "queue-full")
    assert answer.json()["lock"]["holder"] == {"id": "holder", "name": "monthly"}
    assert answer.headers["retry-after"]


async def test_a_refused_key_is_refused_for_the_same_reason_again(
    client: httpx2.AsyncClient, holder: Grant
) -> None:
    for _ in range(2):
        key = {"Idempotency-Key": "k"}
        answer = await client.post(RUNS, json=body("Queue", maxQueue=0), headers=key)
        assert answer.json()["code"] == "queue-full"


@pytest.mark.parametrize("policy", [*(set(Policy) - {Policy.QUEUE}), None])
async def test_a_limit_of_the_list_needs_the_policy_queue(
    client: httpx2.AsyncClient, ledger: Any, policy: str | None
) -> None:
    answer = await client.post(RUNS, json=body(policy, maxQueue=1))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameters")
    assert "Queue" in answer.json()["detail"]
    assert not ledger.submitted


# --- what is read of a joined run -----------------------------------------------------------------


@pytest.fixture
async def joined(client: httpx2.AsyncClient, holder: Grant) -> str:
    return str((await client.post(RUNS, json=body("Join"))).json()["id"])


async def test_while_the_other_runs_it_shows_as_running(
    client: httpx2.AsyncClient, joined: str
) -> None:
    assert (await client.get(f"/status?task_id={joined}")).json() == {
        "id": joined,
        "status": "STARTED",
        "result": None,
    }
    run = (await client.get(f"{RUNS}/{joined}")).json()
    assert (run["id"], run["phase"], run["celeryState"]) == (joined, "Joined", "STARTED")
    assert run["lock"]["holder"] == {"id": "holder", "name": "monthly"}
    result = await client.get(f"{RUNS}/{joined}/result")
    assert result.status_code == 202
    assert result.json() == {"id": joined, "phase": "Running"}


async def test_its_result_is_that_of_the_other(
    client: httpx2.AsyncClient, memory: MemoryLedger, holder: Grant, joined: str
) -> None:
    end(memory, holder, Outcome(state=State.SUCCEEDED, result='{"pages": 12}'))
    assert (await client.get(f"{RUNS}/{joined}/result")).json() == {"pages": 12}
    assert (await client.get(f"/status?task_id={joined}")).json() == {
        "id": joined,
        "status": "SUCCESS",
        "result": {"pages": 12},
    }
    listed = (await client.get(RUNS)).json()["items"]
    assert {run["id"]: run["celeryState"] for run in listed} == {
        joined: "SUCCESS",
        "holder": "SUCCESS",
    }


async def test_its_failure_is_that_of_the_other(
    client: httpx2.AsyncClient, memory: MemoryLedger, holder: Grant, joined: str
) -> None:
    end(memory, holder, Outcome(state=State.FAILED, failure=FAILURE))
    shown = (await client.get(f"{RUNS}/{joined}")).json()
    assert (shown["phase"], shown["celeryState"]) == ("Joined", "FAILURE")
    assert shown["error"]["traceback"] == FAILURE.traceback
    refused = await client.get(f"{RUNS}/{joined}/result")
    assert (refused.status_code, refused.json()["code"]) == (409, "no-result")
    assert (await client.get(f"/status?task_id={joined}")).json()["result"] == FAILURE.traceback


async def test_waiting_for_it_is_waiting_for_the_other(
    client: httpx2.AsyncClient, memory: MemoryLedger, holder: Grant, joined: str
) -> None:
    prefer = {"Prefer": "wait=30"}
    asked = asyncio.create_task(client.get(f"{RUNS}/{joined}/result", headers=prefer))
    shown = asyncio.create_task(client.get(f"{RUNS}/{joined}", headers=prefer))
    await asyncio.sleep(0)
    end(memory, holder, Outcome(state=State.SUCCEEDED, result="7"))
    assert (await asked).json() == 7
    assert (await shown).json()["celeryState"] == "SUCCESS"


async def test_once_the_other_is_forgotten_nobody_can_say_how_it_ended(
    client: httpx2.AsyncClient, memory: MemoryLedger, holder: Grant, joined: str
) -> None:
    end(memory, holder, Outcome(state=State.SUCCEEDED, result="7"))
    memory.restart(lose=["holder"])
    said = (await client.get(f"/status?task_id={joined}")).json()
    assert said["status"] == "FAILURE"
    assert "forgotten" in said["result"]
    refused = await client.get(f"{RUNS}/{joined}/result")
    assert refused.json()["error"]["reason"] == "RecordForgotten"


async def test_cancelling_it_leaves_the_other_alone(
    client: httpx2.AsyncClient, memory: MemoryLedger, joined: str
) -> None:
    answer = await client.post(f"{RUNS}/{joined}:cancel")
    assert (answer.status_code, answer.json()["phase"]) == (200, "Joined")
    assert (await client.post(f"/cancel?task_id={joined}")).json()["status"] == "STARTED"
    run = memory.execute(ops.GetRun(run_id="holder"))
    assert run
    assert run.cancellation is None


class TestStart:
    """`/start`, where the task's own policy decides."""

    @pytest.fixture
    def policy(self) -> Policy:
        return Policy.JOIN

    @pytest.fixture(autouse=True)
    def _register(self, memory: MemoryLedger, policy: Policy) -> None:
        entries = dict(memory.execute(ops.ListTasks()))
        text = entries["dummy_task"].replace('"policy": null', f'"policy": "{policy}"')
        assert text != entries["dummy_task"]
        memory.execute(ops.RegisterTasks(entries={"dummy_task": text}))

    async def test_a_joined_start_shows_the_run_it_joined(
        self, client: httpx2.AsyncClient, memory: MemoryLedger, holder: Grant
    ) -> None:
        started = (await client.get("/start")).json()
        assert (started["status"], started["result"]) == ("STARTED", None)
        end(memory, holder, Outcome(state=State.SUCCEEDED, result="7"))
        assert (await client.get("/status")).json() == {
            "id": started["id"],
            "status": "SUCCESS",
            "result": 7,
        }

    class TestSkip:
        @pytest.fixture
        def policy(self) -> Policy:
            return Policy.SKIP

        async def test_a_skipped_start_says_who_holds_the_lock(
            self, client: httpx2.AsyncClient, holder: Grant
        ) -> None:
            started = (await client.get("/start")).json()
            assert started["status"] == "REJECTED"
            assert "monthly" in started["result"]


# --- priority -------------------------------------------------------------------------------------


@pytest.mark.parametrize("media_type", ["application/json", "application/merge-patch+json"])
async def test_a_waiting_run_can_be_given_another_priority(
    client: httpx2.AsyncClient, memory: MemoryLedger, holder: Grant, media_type: str
) -> None:
    one = (await client.post(RUNS, json=body("Queue"))).json()["id"]
    other = (await client.post(RUNS, json=body("Queue"))).json()["id"]
    headers = {"Content-Type": media_type}
    answer = await client.patch(f"{RUNS}/{other}", content='{"priority": 5}', headers=headers)
    assert (answer.status_code, answer.json()["priority"]) == (200, 5)
    waiting = memory.execute(ops.GetLock(lock="default/default")).waiting
    assert waiting == (other, one)


async def test_a_run_that_has_started_keeps_its_priority(
    client: httpx2.AsyncClient, holder: Grant
) -> None:
    answer = await client.patch(f"{RUNS}/holder", json={"priority": 5})
    assert (answer.status_code, answer.json()["code"]) == (409, "run-started")


@pytest.mark.parametrize("change", [{}, {"priority": 1001}, {"priority": 1, "task": "x"}])
async def test_nothing_but_the_priority_can_be_changed(
    client: httpx2.AsyncClient, holder: Grant, change: dict[str, Any]
) -> None:
    assert (await client.patch(f"{RUNS}/holder", json=change)).status_code == 422


async def test_a_repeated_key_is_the_same_run_after_its_priority_was_changed(
    client: httpx2.AsyncClient, holder: Grant
) -> None:
    key = {"Idempotency-Key": "k"}
    first = await client.post(RUNS, json=body("Queue"), headers=key)
    await client.patch(first.headers["location"], json={"priority": 5})
    again = await client.post(RUNS, json=body("Queue"), headers=key)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


# --- dry run --------------------------------------------------------------------------------------

DRY = f"{RUNS}?dryRun=All"
NOTHING = {
    "decision": None,
    "recorded": None,
    "position": None,
    "reason": None,
    "holder": None,
    "victims": [],
}
THE_HOLDER = {"id": "holder", "name": "monthly"}


async def test_a_dry_run_on_a_free_lock_says_that_it_would_start_and_starts_nothing(
    client: httpx2.AsyncClient, ledger: Any
) -> None:
    answer = await client.post(DRY, json=body())
    assert (answer.status_code, answer.json()) == (200, NOTHING | {"decision": "start"})
    assert not ledger.submitted
    assert (await client.get(RUNS)).json()["items"] == []
    assert (await client.get("/status")).status_code == 400


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("Queue", {"decision": "wait", "position": 1}),
        ("QueueLatest", {"decision": "supersede", "position": 1}),
        ("Replace", {"decision": "replace", "position": 1, "victims": [THE_HOLDER]}),
        ("Reject", {"decision": "reject", "reason": "LockHeld"}),
        ("Join", {"decision": "join"}),
        ("Skip", {"decision": "skip"}),
    ],
)
async def test_a_dry_run_tells_what_each_policy_would_do(
    client: httpx2.AsyncClient, ledger: Any, holder: Grant, policy: str, told: dict[str, Any]
) -> None:
    answer = await client.post(DRY, json=body(policy))
    ForecastView.model_validate_json(answer.content)
    assert (answer.status_code, answer.json()) == (200, NOTHING | {"holder": THE_HOLDER} | told)
    assert not ledger.submitted


async def test_a_dry_run_of_a_repeated_key_shows_the_run_there_is(
    client: httpx2.AsyncClient, holder: Grant
) -> None:
    key = {"Idempotency-Key": "k"}
    await client.post(RUNS, json=body("Queue"), headers=key)
    answer = await client.post(DRY, json=body("Queue"), headers=key)
    assert answer.json() == NOTHING | {"recorded": "Queued"}
    other = await client.post(DRY, json=body("Skip"), headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("wrong", "status"), [({"task": "nobody"}, 404), ({"params": {"name": 5}}, 422)]
)
async def test_a_dry_run_is_checked_like_a_real_one(
    client: httpx2.AsyncClient, wrong: dict[str, Any], status: int
) -> None:
    assert (await client.post(DRY, json=body() | wrong)).status_code == status


async def test_there_is_one_kind_of_dry_run(client: httpx2.AsyncClient, ledger: Any) -> None:
    answer = await client.post(f"{RUNS}?dryRun=true", json=body())
    assert answer.status_code == 400
    assert not ledger.submitted
