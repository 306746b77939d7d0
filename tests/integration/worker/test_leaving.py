"""What a task leaves behind is gone before its run ends, whatever the agent's answer takes."""

from singletrack.lifecycle import State
from singletrack.policies import Policy


def test_a_cancelled_run_is_cancelled_although_the_agents_answer_was_lost(platform):
    platform.start_worker(1, **platform.failing("child>agent.asked/Leaving:drop-reply"))
    run_id = platform.submit("count_to", {"to": 600})
    after = platform.submit("count_to", {"to": 1}, policy=Policy.QUEUE)
    platform.wait_for_begin(run_id)
    platform.cancel(run_id, grace_seconds=10)
    assert platform.wait_for_end(run_id).state is State.CANCELLED
    assert platform.wait_for_end(after).state is State.SUCCEEDED
    platform.assert_promise_held()


def test_a_result_is_kept_although_the_agents_answer_was_lost(platform):
    platform.start_worker(1, **platform.failing("child>agent.asked/Leaving:drop-reply"))
    run_id = platform.submit("sleep_with_child", {"seconds": 0.2})
    assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    platform.assert_promise_held()
