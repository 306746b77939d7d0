"""The Python door: `.delay()` from a producer's process, results, revoke."""

import pytest
from support.local_platform import alive, kill9
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State


@pytest.fixture
def platform(shared_platform):
    return shared_platform


@pytest.fixture
def delay(platform, python):
    """Send a task, and answer the id of its run once there is a record."""

    def sent(call):
        run_id = python(f"print({call}.id)")
        wait_until(lambda: platform.ledger.execute(ops.GetRun(run_id=run_id)), 20, "its record")
        platform.submitted.append(run_id)
        return run_id

    return sent


def test_delay_answers_with_the_value(platform, python):
    assert python("print(add.delay(2, 3).get(timeout=20))") == "5"


def test_the_note_in_three_lines(platform, python):
    code = "r = dummy_task.delay(name='Bob')\nprint(r.get(timeout=20), r.status, r.result)"
    assert python(code) == "Hello Bob! SUCCESS Hello Bob!"


def test_the_error_of_a_task_is_raised_at_the_caller(platform, python):
    code = (
        "r = fail.delay('no luck')\n"
        "try: r.get(timeout=20)\n"
        "except ValueError as error: print(error, r.status, 'demo_tasks' in r.traceback)"
    )
    assert python(code) == "no luck FAILURE True"


def test_sys_exit_in_a_task_does_not_end_the_caller(platform, python):
    code = (
        "r = exit_early.delay(3)\n"
        "try: r.get(timeout=20)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    assert python(code) == "SystemExit the task called sys.exit(3)"


def test_an_unknown_id_is_pending_and_get_times_out(platform, python):
    code = (
        "from celery.result import AsyncResult\n"
        "from celery.exceptions import TimeoutError\n"
        "r = AsyncResult('nobody', app=app)\n"
        "try: r.get(timeout=0.2)\n"
        "except TimeoutError: print(r.status)"
    )
    assert python(code) == "PENDING"


def test_two_delays_on_one_lock_run_one_after_the_other(platform, python):
    code = (
        "rs = [dummy_task.delay() for _ in range(3)]\n"
        "print([r.get(timeout=20) for r in rs])\n"
        "print(*(r.id for r in rs))"
    )
    answers, ids = python(code).splitlines()
    assert answers == str(["Hello Bob!"] * 3)
    platform.submitted += ids.split()
    platform.assert_promise_held()


def test_revoke_with_terminate_cancels_and_the_process_tree_is_gone(platform, python, delay):
    run_id = delay("sleep_with_child.delay(60)")
    pids = wait_until(lambda: len(p := {e.pid for e in platform.events(run_id)}) == 2 and p)
    python(f"app.control.revoke('{run_id}', terminate=True, signal='SIGKILL')")
    assert platform.wait_for_end(run_id).state is State.CANCELLED
    assert not any(alive(pid) for pid in pids)
    platform.assert_promise_held()


def test_revoke_without_terminate_leaves_a_started_run_alone(platform, python, delay):
    run_id = delay("count_to.delay(15)")
    platform.wait_for_begin(run_id)
    python(f"app.control.revoke('{run_id}')")
    assert platform.wait_for_end(run_id).state is State.SUCCEEDED


def test_revoke_ends_a_waiting_run_at_once(platform, python, delay):
    holder = platform.submit("count_to", {"to": 600}, lock="default")
    platform.wait_for_begin(holder)
    run_id = delay("add.delay(1, 2)")
    platform.wait_for(run_id, State.QUEUED)
    python(f"app.control.revoke('{run_id}')")
    assert platform.wait_for_end(run_id).state is State.CANCELLED
    assert platform.run(holder).state is State.RUNNING


def test_clients_that_only_know_celerys_result_keys_find_the_result(platform, python):
    run_id = python("r = add.delay(2, 2); r.get(timeout=20); print(r.id)")
    text = platform.server.client().get(f"celery-task-meta-{run_id}")
    assert '"status": "SUCCESS"' in text
    assert '"result": 4' in text


def test_a_lock_that_cannot_be_named_fails_the_run_and_says_why(platform, python):
    code = (
        "r = app.send_task('count_to', kwargs={'to': 1, 'name': 'a\\nb'})\n"
        "try: r.get(timeout=20)\n"
        "except Exception as error: print(r.status, error)"
    )
    assert "FAILURE a lock key must be printable" in python(code)


def test_a_message_too_large_to_keep_fails_the_run_and_the_worker_goes_on(platform, python):
    code = (
        "r = dummy_task.delay(name='x' * 10_000_000)\n"
        "try: r.get(timeout=20)\n"
        "except Exception as error: print(r.status, error)\n"
        "print(add.delay(1, 2).get(timeout=20))"
    )
    refused, answer = python(code).splitlines()
    assert refused.startswith("FAILURE the message takes")
    assert answer == "3"


def test_a_message_for_a_task_nobody_knows_is_dropped_in_one_line(platform, python):
    code = "app.send_task('nobody_knows'); print(add.delay(1, 2).get(timeout=20))"
    assert python(code) == "3"
    assert platform.worker_log().count("Received unregistered task") == 1


def test_wrong_arguments_fail_the_run_with_pythons_own_words(platform, python):
    code = (
        "r = app.send_task('add', kwargs={'x': 1})\n"
        "try: r.get(timeout=20)\n"
        "except TypeError as error: print(r.status, error)"
    )
    assert "FAILURE add() missing 1 required positional argument: 'y'" in python(code)


def test_a_producer_that_joins_gets_the_result_of_the_run_it_joined(platform, python, delay):
    holder = platform.submit("count_to", {"to": 1}, lock="shared", queue="nobody-yet")
    headers = {"singletrack_policy": "Join", "singletrack_lock": "shared"}
    run_id = delay(f"add.apply_async((1, 2), headers={headers})")
    assert platform.run(run_id).state is State.JOINED
    platform.start_worker(1, "-Q", "nobody-yet")
    code = f"r = app.AsyncResult('{run_id}')\nprint(r.get(timeout=20)['run'], r.status)"
    assert python(code) == f"{holder} SUCCESS"
    platform.assert_promise_held()


def test_a_producer_that_skips_is_told_who_holds_the_lock(platform, python):
    holder = platform.submit("count_to", {"to": 600}, lock="shared")
    platform.wait_for_begin(holder)
    code = (
        "headers = {'singletrack_policy': 'Skip', 'singletrack_lock': 'shared'}\n"
        "r = add.apply_async((1, 2), headers=headers)\n"
        "from celery.exceptions import TaskRevokedError\n"
        "try: r.get(timeout=20)\n"
        "except TaskRevokedError as error: print(r.status, error)"
    )
    status, _, words = python(code).partition(" ")
    assert status == "REJECTED"
    assert holder in words


def test_the_death_of_a_worker_has_celerys_own_name_at_the_caller(platform, python, delay):
    run_id = delay("count_to.delay(600)")
    kill9(platform.wait_for_begin(run_id))
    code = (
        "from celery.exceptions import WorkerLostError\n"
        f"r = count_to.AsyncResult('{run_id}')\n"
        "try: r.get(timeout=20)\n"
        "except WorkerLostError: print(r.status)"
    )
    assert python(code) == "FAILURE"
