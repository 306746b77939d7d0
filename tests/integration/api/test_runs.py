"""`/v1` runs against a real ledger."""

from __future__ import annotations

import threading
from typing import Any

import httpx2
from support.waiting import wait_until

RUNS = "/v1/namespaces/default/runs"


def create(api: httpx2.Client, task: str = "dummy_task", **fields: Any) -> httpx2.Response:
    return api.post(RUNS, json={"task": task, **fields})


def test_a_created_run_is_201_with_its_location_and_its_full_view(api: httpx2.Client) -> None:
    created = create(api, params={"name": "Ada"}, timeoutSeconds=60, softTimeoutSeconds=50)
    assert created.status_code == 201
    run = created.json()
    assert created.headers["location"] == f"{RUNS}/{run['id']}"
    assert run["phase"] == "Starting"
    assert run["params"] == {"name": "Ada"}
    assert run["lock"] == {
        "key": "default/default",
        "fencingToken": 0,
        "holder": None,
        "onLost": "Release",
        "suspectTime": None,
    }
    assert run["policy"] == "Reject"
    assert (run["timeoutSeconds"], run["softTimeoutSeconds"]) == (60, 50)
    assert api.get(created.headers["location"]).json() == run


def test_the_lock_template_of_the_task_is_rendered_from_the_parameters(api: httpx2.Client) -> None:
    october = create(api, "build_report", params={"month": "2026-10"})
    november = create(api, "build_report", params={"month": "2026-11"})
    assert october.json()["lock"]["key"] == "default/reports/2026-10"
    assert november.status_code == 201
    assert create(api, "build_report", params={"month": "2026-10"}).status_code == 409


def test_a_soft_limit_that_is_not_below_the_other_is_422(api: httpx2.Client) -> None:
    refused = create(api, timeoutSeconds=60, softTimeoutSeconds=60)
    assert refused.status_code == 422
    assert refused.json()["detail"] == (
        "softTimeoutSeconds (60) has to be less than timeoutSeconds (60)"
    )


def test_a_held_lock_is_409_and_names_the_holder(api: httpx2.Client) -> None:
    holder = create(api).json()["id"]
    refused = create(api)
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["code"] == "lock-held"
    assert problem["lock"] == {"key": "default/default", "holder": {"id": holder, "name": ""}}
    assert problem["instance"] == RUNS
    assert problem["requestId"] == refused.headers["x-request-id"]


def test_policy_queue_waits_and_another_lock_runs_beside_it(api: httpx2.Client) -> None:
    create(api)
    assert create(api, lock={"policy": "Queue"}).json()["phase"] == "Queued"
    assert create(api, lock={"key": "other"}).json()["phase"] == "Starting"
    full = create(api, lock={"policy": "Queue", "maxQueue": 1})
    assert full.status_code == 429


def test_a_repeated_request_with_the_same_key_is_the_same_run(
    api: httpx2.Client, worker: Any
) -> None:
    key = {"Idempotency-Key": "order 66"}
    body = {"task": "dummy_task", "params": {"name": "Ada"}}
    first = api.post(RUNS, json=body, headers=key)
    again = api.post(RUNS, json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    run_id = first.json()["id"]
    worker.finish(run_id, worker.begin(run_id))
    assert api.post(RUNS, json=body, headers=key).json()["phase"] == "Succeeded"
    elsewhere = api.post("/v1/namespaces/other/runs", json=body, headers=key)
    assert elsewhere.status_code == 201, "a key belongs to its namespace"


def test_a_repeated_key_with_another_body_is_422(api: httpx2.Client) -> None:
    key = {"Idempotency-Key": "k"}
    api.post(RUNS, json={"task": "dummy_task"}, headers=key)
    for other in ({"params": {"name": "x"}}, {"timeoutSeconds": 5}):
        answer = api.post(RUNS, json={"task": "dummy_task", **other}, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")


def test_a_repeated_refused_request_is_refused_again_with_the_same_holder(
    api: httpx2.Client, worker: Any
) -> None:
    holder = create(api).json()["id"]
    key = {"Idempotency-Key": "k"}
    api.post(RUNS, json={"task": "dummy_task"}, headers=key)
    worker.finish(holder, worker.begin(holder))
    again = api.post(RUNS, json={"task": "dummy_task"}, headers=key)
    assert (again.status_code, again.json()["lock"]["holder"]["id"]) == (409, holder)


def test_the_result_is_202_then_the_value_itself(api: httpx2.Client, worker: Any) -> None:
    where = create(api).headers["location"]
    early = api.get(f"{where}/result")
    assert (early.status_code, early.headers["retry-after"]) == (202, "1")
    run_id = early.json()["id"]
    worker.finish(run_id, worker.begin(run_id), '["a", 1]')
    ready = api.get(f"{where}/result")
    assert (ready.status_code, ready.json()) == (200, ["a", 1])


def test_the_result_of_a_failed_run_is_409_with_the_traceback(
    api: httpx2.Client, worker: Any
) -> None:
    run_id = create(api).json()["id"]
    worker.fail(run_id, worker.begin(run_id), "Traceback: boom")
    answer = api.get(f"{RUNS}/{run_id}/result")
    assert (answer.status_code, answer.json()["code"]) == (409, "no-result")
    assert answer.json()["error"]["traceback"] == "Traceback: boom"
    assert api.get(f"{RUNS}/{run_id}").json()["error"]["reason"] == "TaskError"


def test_cancel_is_200_for_a_waiting_run_and_202_for_a_running_one(
    api: httpx2.Client, worker: Any
) -> None:
    running = create(api).json()["id"]
    waiting = create(api, lock={"policy": "Queue"}).json()["id"]
    worker.begin(running)
    gone = api.post(f"{RUNS}/{waiting}:cancel", json={"reason": "enough"})
    assert (gone.status_code, gone.json()["phase"]) == (200, "Cancelled")
    assert gone.json()["cancellation"]["reason"] == "enough"
    asked = api.post(f"{RUNS}/{running}:cancel", json={"gracePeriodSeconds": 2})
    assert (asked.status_code, asked.json()["phase"]) == (202, "Running")
    assert asked.json()["cancellation"]["gracePeriodSeconds"] == 2
    assert api.post(f"{RUNS}/{waiting}:cancel").status_code == 200, "asking again is fine"


def test_cancel_of_a_run_that_has_ended_changes_nothing(api: httpx2.Client, worker: Any) -> None:
    run_id = create(api).json()["id"]
    worker.fail(run_id, worker.begin(run_id), "Traceback: boom")
    before = api.get(f"{RUNS}/{run_id}").json()
    answer = api.post(f"{RUNS}/{run_id}:cancel", json={"mode": "Force"})
    assert (answer.status_code, answer.json()) == (200, before)
    assert before["error"]["traceback"] == "Traceback: boom"


def test_a_cancel_can_be_made_harder_and_never_milder(api: httpx2.Client, worker: Any) -> None:
    run_id = create(api).json()["id"]
    worker.begin(run_id)

    def cancel(**body: Any) -> tuple[str, float, str]:
        shown = api.post(f"{RUNS}/{run_id}:cancel", json=body).json()["cancellation"]
        return shown["mode"], shown["gracePeriodSeconds"], shown["reason"]

    assert cancel(reason="enough") == ("Graceful", 30, "enough")
    assert cancel(gracePeriodSeconds=2) == ("Graceful", 2, "enough")
    assert cancel(mode="Force", gracePeriodSeconds=9) == ("Force", 0, "enough")
    assert cancel() == ("Force", 0, "enough")
    assert api.post(f"{RUNS}/{run_id}:cancel", json={"mode": "Hard"}).status_code == 422


def test_runs_are_listed_newest_first_a_page_at_a_time(api: httpx2.Client) -> None:
    made = [create(api, lock={"policy": "Queue"}).json()["id"] for _ in range(5)]
    seen, where = [], f"{RUNS}?limit=2"
    while where:
        page = api.get(where)
        seen += [run["id"] for run in page.json()["items"]]
        where = page.links.get("next", {}).get("url", "")
        assert bool(where) == bool(page.json()["next"])
    assert seen == made[::-1]


def test_a_run_is_found_in_its_own_namespace_only(api: httpx2.Client) -> None:
    run_id = create(api).json()["id"]
    answer = api.get(f"/v1/namespaces/other/runs/{run_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "run-not-found")
    assert api.get("/v1/namespaces/other/runs").json()["items"] == []


def test_prefer_wait_answers_at_the_end_of_the_run(api: httpx2.Client, worker: Any) -> None:
    answers = []

    def ask() -> None:
        answers.append(
            api.post(RUNS, json={"task": "dummy_task"}, headers={"Prefer": "wait=15"}).json()
        )

    thread = threading.Thread(target=ask)
    thread.start()
    found = wait_until(lambda: api.get(RUNS).json()["items"], what="the run")
    run_id = found[0]["id"]
    nonce = worker.begin(run_id)
    assert not answers
    worker.finish(run_id, nonce, "1")
    thread.join(15)
    assert answers[0]["phase"] == "Succeeded"


def test_prefer_wait_gives_up_in_time(api: httpx2.Client) -> None:
    answer = api.post(RUNS, json={"task": "dummy_task"}, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["phase"]) == (201, "Starting")


def test_the_metrics_count_requests_by_route_and_runs_by_outcome(
    api: httpx2.Client, worker: Any
) -> None:
    run_id = create(api).json()["id"]
    worker.finish(run_id, worker.begin(run_id))
    api.get(f"{RUNS}/{run_id}")
    page = api.get("/metrics").text
    assert run_id not in page
    assert (
        'singletrack_http_request_duration_seconds_count{code="2xx",method="GET",'
        'route="/v1/namespaces/{ns}/runs/{run_id}"} '
    ) in page
    assert 'singletrack_runs_submitted_total{door="rest",task="dummy_task"} 1\n' in page
    assert 'singletrack_runs_finished_total{outcome="succeeded",task="dummy_task"} 1\n' in page
    assert "singletrack_ledger_up 1\n" in page
    assert "process_resident_memory_bytes" in page
