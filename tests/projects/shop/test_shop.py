"""The shop's own tests. They know nothing of Singletrack, and pass on bare Celery."""

import pickle
from datetime import UTC, datetime, timedelta

import pytest
import shop_tasks as tasks
from celery import chain, chord, group
from celery.beat import Scheduler
from celery.exceptions import TaskRevokedError, TimeLimitExceeded
from celery.result import AsyncResult, ResultSet
from shop_log import noted
from shop_waiting import wait_until

HOOKS = ["before_start", "call", "on_success", "after_return"]


def hooks(run_id):
    return [event["hook"] for event in noted(event="hook", id=run_id)]


def signals(run_id):
    return [(event["signal"], event["task"]) for event in noted(event="signal", id=run_id)]


# --- tasks ---------------------------------------------------------------------------------------


def test_an_order_is_placed():
    answer = tasks.place.delay(1)
    assert answer.get(timeout=20) == {"order": 1, "id": answer.id, "queue": "shop"}
    assert answer.status == "SUCCESS"


def test_the_base_class_and_its_hooks_are_called_around_an_order():
    answer = tasks.place.delay(1)
    answer.get(timeout=20)
    wait_until(lambda: "after_return" in hooks(answer.id))
    assert hooks(answer.id) == HOOKS


def test_an_order_that_fails_raises_at_the_caller_and_calls_its_hook():
    answer = tasks.place.delay(-1)
    with pytest.raises(ValueError, match="there is no order -1"):
        answer.get(timeout=20)
    assert "shop_tasks.py" in answer.traceback
    wait_until(lambda: "after_return" in hooks(answer.id))
    assert hooks(answer.id) == ["before_start", "call", "on_failure", "after_return"]


def test_two_orders_are_placed_side_by_side():
    first, second = tasks.place.delay(1, seconds=1.0), tasks.place.delay(2, seconds=1.0)
    first.get(timeout=20)
    second.get(timeout=20)
    begins = {e["id"]: i for i, e in enumerate(noted()) if e["event"] == "begin"}
    ends = {e["id"]: i for i, e in enumerate(noted()) if e["event"] == "end"}
    assert max(begins[first.id], begins[second.id]) < min(ends[first.id], ends[second.id])


def test_a_pickled_set_arrives_as_a_set():
    assert tasks.archive.delay({3, 1, 2}).get(timeout=20) == [1, 2, 3]


def test_an_image_is_resized_again_after_its_worker_died():
    answer = tasks.resize.delay("cat.png")
    assert answer.get(timeout=20) == "cat.png after 1 deaths, from images"


def test_a_rate_limit_lets_all_through():
    assert [tasks.slow_mail.delay(n).get(timeout=20) for n in range(3)] == [0, 1, 2]


def test_a_result_nobody_wants_is_not_waited_for(results):
    answer = tasks.quiet.delay()
    assert answer.get(timeout=20) is None
    wait_until(lambda: noted(event="quiet"))
    assert results.get(f"celery-task-meta-{answer.id}") is None


# --- results -------------------------------------------------------------------------------------


def test_results_are_in_the_shops_own_store(results):
    answer = tasks.price.delay(4)
    answer.get(timeout=20)
    meta = pickle.loads(results.get(f"celery-task-meta-{answer.id}"))  # noqa: S301 - the shop's
    assert (meta["status"], meta["result"], meta["name"]) == ("SUCCESS", 40, "shop.prices.price")


def test_a_result_is_found_by_its_id(app):
    run_id = tasks.price.delay(4).id
    assert AsyncResult(run_id).get(timeout=20) == 40
    assert app.AsyncResult(run_id).status == "SUCCESS"


def test_a_task_is_sent_by_its_name(app):
    assert app.send_task("shop.prices.price", (5,)).get(timeout=20) == 50


def test_an_id_nobody_knows_is_pending(app):
    assert app.AsyncResult("nobody").status == "PENDING"


def test_a_task_tells_how_far_it_is():
    assert tasks.progress.delay().get(timeout=20) == ["PROGRESS", {"page": 3}]


# --- canvas --------------------------------------------------------------------------------------


def test_a_chain_hands_on_its_results():
    assert chain(tasks.price.s(1), tasks.price.s()).delay().get(timeout=20) == 100


def test_a_group_answers_together():
    assert group(tasks.price.s(n) for n in (1, 2)).delay().get(timeout=20) == [10, 20]


def test_a_chord_sums_up():
    prices = chord(tasks.price.s(n) for n in (1, 2))
    assert prices(tasks.total.s()).get(timeout=20) == 30


def test_a_linked_task_follows():
    answer = tasks.price.apply_async((1,), link=tasks.place.si(7))
    answer.get(timeout=20)
    (child,) = wait_until(lambda: AsyncResult(answer.id).children)
    assert child.get(timeout=20)["order"] == 7


def test_a_linked_error_task_hears_of_the_failure():
    answer = tasks.place.apply_async((-5,), link_error=tasks.complain.s())
    (heard,) = wait_until(lambda: noted(event="complained", id=answer.id))
    assert heard["error"] == "there is no order -5"


def test_a_task_may_replace_itself():
    assert tasks.delegate.delay(3).get(timeout=20) == 30


# --- retries, limits, times ----------------------------------------------------------------------


def test_a_mail_is_tried_again():
    answer = tasks.send_mail.delay("a@b")
    assert answer.get(timeout=20) == "a@b at attempt 3"
    wait_until(lambda: len(noted(signal="retry", task="shop.mail.send")) == 2)


def test_a_mailing_is_tried_again_by_itself():
    assert tasks.send_list.delay().get(timeout=20) == 1


def test_a_soft_limit_can_be_handled():
    assert tasks.soft.delay().get(timeout=20) == "stopped softly"


def test_a_hard_limit_ends_a_report():
    with pytest.raises(TimeLimitExceeded):
        tasks.hard.delay().get(timeout=20)


def test_an_order_may_be_placed_later():
    answer = tasks.place.apply_async((8,), countdown=1)
    assert answer.status == "PENDING"
    assert answer.get(timeout=20)["order"] == 8


def test_an_order_that_expires_is_not_placed():
    answer = tasks.place.apply_async((9,), expires=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(TaskRevokedError):
        answer.get(timeout=20)
    wait_until(lambda: noted(signal="revoked", task="shop.orders.place"))


def test_a_report_is_revoked_in_the_middle(app):
    answer = tasks.long.delay()
    wait_until(lambda: noted(event="begin", id=answer.id))
    app.control.revoke(answer.id, terminate=True, signal="SIGKILL")
    with pytest.raises(TaskRevokedError):
        answer.get(timeout=20)
    assert wait_until(lambda: noted(signal="revoked", task="shop.reports.long"))


# --- signals, beat, eager ------------------------------------------------------------------------


def test_signals_come_in_order_with_the_task_as_sender():
    answer = tasks.place.delay(1)
    answer.get(timeout=20)
    wait_until(lambda: ("postrun", "shop.orders.place") in signals(answer.id))
    assert signals(answer.id) == [
        ("prerun", "shop.orders.place"),
        ("postrun", "shop.orders.place"),
    ]
    assert noted(event="succeeded", task="shop.orders.place", id=answer.id)


def test_a_failure_is_signalled():
    answer = tasks.place.delay(-2)
    wait_until(lambda: ("failure", "shop.orders.place") in signals(answer.id))


def test_beat_sends_what_is_due(app):
    scheduler = Scheduler(app=app)
    for entry in scheduler.schedule.values():
        scheduler.apply_async(entry, advance=False)
    wait_until(lambda: noted(event="refreshed", what="nightly"))
    wait_until(lambda: noted(event="end", shop="beat"))


@pytest.fixture
def eager(app):
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def test_tasks_run_in_the_callers_process_in_tests(eager):
    assert tasks.place.delay(3).get()["order"] == 3
    assert tasks.rebuild.delay("eager").get() == "rebuilt eager"


# --- the index, of which one is rebuilt at a time ------------------------------------------------


def test_the_index_is_rebuilt_with_the_shops_own_hooks_and_signals():
    answer = tasks.rebuild.delay("north")
    assert answer.get(timeout=20) == "rebuilt north"
    wait_until(lambda: ("postrun", "shop.index.rebuild") in signals(answer.id))
    assert hooks(answer.id) == HOOKS
    assert [name for name, _ in signals(answer.id)] == ["prerun", "postrun"]


def test_a_rebuild_that_fails_raises_at_the_caller():
    answer = tasks.rebuild.delay("closed")
    with pytest.raises(ValueError, match="the shop is closed"):
        answer.get(timeout=20)
    assert answer.status == "FAILURE"
    wait_until(lambda: ("failure", "shop.index.rebuild") in signals(answer.id))


def test_a_rebuild_is_found_by_its_id_and_by_its_name(app):
    run_id = tasks.rebuild.delay("south").id
    assert AsyncResult(run_id).get(timeout=20) == "rebuilt south"
    assert app.AsyncResult(run_id).status == "SUCCESS"
    assert app.send_task("shop.index.rebuild", ("west",)).get(timeout=20) == "rebuilt west"


def test_results_of_both_kinds_are_waited_for_together():
    answers = [tasks.price.delay(1), tasks.rebuild.delay("east"), tasks.price.delay(2)]
    assert ResultSet(answers).join(timeout=20) == [10, "rebuilt east", 20]


def test_results_of_both_kinds_are_fetched_together():
    answers = [tasks.price.delay(1), tasks.rebuild.delay("east"), tasks.price.delay(2)]
    assert ResultSet(answers).get(timeout=20) == [10, "rebuilt east", 20]


def test_a_rebuild_may_come_later_and_expire():
    assert tasks.rebuild.apply_async(("late",), countdown=1).get(timeout=20) == "rebuilt late"
    assert tasks.rebuild.apply_async(("soon",), expires=60).get(timeout=20) == "rebuilt soon"


def test_a_rebuild_is_revoked_in_the_middle(app):
    answer = tasks.rebuild.delay("slow", seconds=30)
    wait_until(lambda: noted(event="begin", id=answer.id))
    app.control.revoke(answer.id, terminate=True, signal="SIGKILL")
    with pytest.raises(TaskRevokedError):
        answer.get(timeout=20)


def test_a_rebuild_may_follow_in_a_chain():
    follow = chain(tasks.price.s(1), tasks.rebuild.si("chained"))
    assert follow.delay().get(timeout=20) == "rebuilt chained"


def test_a_rebuild_may_be_linked_to_a_price():
    tasks.price.apply_async((1,), link=tasks.rebuild.si("linked"))
    wait_until(lambda: noted(event="end", shop="linked"))


def test_a_check_of_the_index_tells_how_far_it_is():
    assert tasks.check.delay().get(timeout=20) == "PROGRESS"


def test_a_rebuild_insists():
    assert tasks.insist.delay().get(timeout=20) == 1
