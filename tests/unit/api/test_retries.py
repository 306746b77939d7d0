"""Retries at the REST door: what is asked for is recorded and shown."""

from __future__ import annotations

import httpx2
import pytest

from singletrack import operations as ops
from singletrack.adapters.memory import MemoryLedger
from singletrack.lifecycle import State
from singletrack.retries import Retry, RetryCause
from singletrack.run import Failure, Outcome

RUNS = "/v1/namespaces/default/runs"
RULE = {
    "limit": 2,
    "backoff": {"initialSeconds": 3600.0, "maxSeconds": 7200.0},
    "causes": ["Error", "Timeout"],
}


async def test_a_run_is_tried_again_as_it_asks_and_shows_it(
    client: httpx2.AsyncClient, memory: MemoryLedger
) -> None:
    made = (await client.post(RUNS, json={"task": "dummy_task", "retry": RULE})).json()
    assert made["retry"] == RULE
    run = memory.execute(ops.GetRun(run_id=made["id"]))
    assert run is not None
    causes = (RetryCause.ERROR, RetryCause.TIMEOUT)
    assert run.spec.retry == Retry(limit=2, initial_seconds=3600, max_seconds=7200, causes=causes)
    memory.execute(ops.Start(run_id=run.run_id, nonce="n", worker="w"))
    failure = Failure(reason="TaskError", message="no rows")
    outcome = Outcome(state=State.FAILED, failure=failure)
    memory.execute(ops.Finish(run_id=run.run_id, nonce="n", outcome=outcome))
    shown = (await client.get(f"{RUNS}/{run.run_id}")).json()
    assert (shown["phase"], shown["celeryState"], shown["attempt"]) == ("Starting", "RETRY", 1)
    assert shown["error"]["message"] == "no rows"
    assert shown["nextAttemptTime"] > shown["startTime"]


@pytest.mark.parametrize(
    "rule", [{"limit": 101}, {"limit": -1}, {"causes": ["Bored"]}, {"backoff": {"maxSeconds": -1}}]
)
async def test_a_rule_that_cannot_be_is_refused(client: httpx2.AsyncClient, rule: object) -> None:
    answer = await client.post(RUNS, json={"task": "dummy_task", "retry": rule})
    assert answer.status_code == 422
