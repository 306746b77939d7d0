"""`/start`, `/status`, `/cancel` against a real ledger, from the first request to the result."""

from __future__ import annotations

from typing import Any

import httpx2


def test_a_run_is_started_watched_and_answers_with_its_result(
    api: httpx2.Client, worker: Any
) -> None:
    started = api.get("/start")
    assert started.status_code == 200
    run_id = started.json()["id"]
    assert started.json() == {"id": run_id, "status": "PENDING", "result": None}

    nonce = worker.begin(run_id)
    assert api.get("/status").json() == {"id": run_id, "status": "STARTED", "result": None}

    worker.finish(run_id, nonce, '{"hello": "Bob", "n": [1, 2.50]}')
    ended = api.get("/status", params={"task_id": run_id})
    assert ended.json() == {
        "id": run_id,
        "status": "SUCCESS",
        "result": {"hello": "Bob", "n": [1, 2.5]},
    }
    assert "2.50" in ended.text, "the result is sent as it is stored"


def test_the_run_has_the_note_s_task_the_default_lock_and_the_simple_parameters(
    api: httpx2.Client, worker: Any
) -> None:
    run_id = api.get("/start", params={"name": "Ada", "times": "3", "utm": "x"}).json()["id"]
    spec = worker.run(run_id).spec
    assert (spec.task, spec.lock, spec.policy) == ("dummy_task", "default/default", "Reject")
    assert spec.kwargs == {"name": "Ada", "times": 3}


def test_the_message_is_on_the_queue_when_start_has_answered(
    api: httpx2.Client, valkey: Any, prefix: str
) -> None:
    run_id = api.get("/start").json()["id"]
    [message] = valkey.client().lrange(f"queue-{prefix}", 0, -1)
    assert run_id in message


def test_a_second_start_is_refused_while_the_first_run_holds_the_lock(
    api: httpx2.Client, worker: Any
) -> None:
    run_id = api.get("/start").json()["id"]
    refused = api.get("/start")
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"] == "A task is already being executed"
    assert refused.json()["lock"]["holder"]["id"] == run_id
    assert api.get("/status").json()["id"] == run_id, "the refused one is not the latest run"

    worker.finish(run_id, worker.begin(run_id))
    assert api.get("/start").status_code == 200


def test_a_failed_run_answers_with_its_traceback_as_text(api: httpx2.Client, worker: Any) -> None:
    run_id = api.get("/start").json()["id"]
    traceback = 'Traceback (most recent call last):\n  File "x.py"\nValueError: "no" é\n'
    worker.fail(run_id, worker.begin(run_id), traceback)
    assert api.get("/status").json() == {"id": run_id, "status": "FAILURE", "result": traceback}


def test_cancel_ends_a_run_that_nobody_has_claimed(api: httpx2.Client, worker: Any) -> None:
    run_id = api.get("/start").json()["id"]
    cancelled = api.get("/cancel")
    assert cancelled.status_code == 200
    assert (cancelled.json()["id"], cancelled.json()["status"]) == (run_id, "REVOKED")
    assert api.get("/start").status_code == 200, "the lock is free again"


def test_cancel_of_a_running_run_is_recorded_and_leaves_the_lock_taken(
    api: httpx2.Client, worker: Any
) -> None:
    run_id = api.get("/start").json()["id"]
    worker.begin(run_id)
    assert api.post("/cancel", params={"task_id": run_id}).json()["status"] == "STARTED"
    assert worker.run(run_id).cancellation.by == "rest"
    # The holder is on its way out, so the next run waits for it instead of being refused.
    assert api.get("/start").json()["status"] == "PENDING"
    assert api.get("/start").status_code == 400


def test_cancel_of_a_finished_run_changes_nothing(api: httpx2.Client, worker: Any) -> None:
    run_id = api.get("/start").json()["id"]
    worker.finish(run_id, worker.begin(run_id), "1")
    assert api.get("/cancel").json() == {"id": run_id, "status": "SUCCESS", "result": 1}


def test_status_and_cancel_of_an_unknown_id_are_404(api: httpx2.Client) -> None:
    for answer in (
        api.get("/status", params={"task_id": "nobody"}),
        api.post("/cancel", params={"task_id": "nobody"}),
    ):
        assert answer.status_code == 404
        assert answer.json()["detail"] == "Unknown task id: nobody"


def test_status_and_cancel_before_any_start_are_400(api: httpx2.Client) -> None:
    for path in ("/status", "/cancel"):
        answer = api.get(path)
        assert (answer.status_code, answer.json()["detail"]) == (
            400,
            "No task has been started yet",
        )
