import pytest

from singletrack.policies import Decision, LockView, Policy, decide

FREE = LockView(held=False)
HELD = LockView(held=True)
ENDING = LockView(held=True, holder_cancelling=True)


@pytest.mark.parametrize("policy", Policy)
def test_a_free_lock_starts_the_run_under_every_policy(policy):
    assert decide(policy, FREE) is Decision.START


def test_queue_waits_until_the_list_is_full():
    lock = LockView(held=True, waiting=2)
    assert decide(Policy.QUEUE, lock, max_queue=3) is Decision.WAIT
    assert decide(Policy.QUEUE, lock, max_queue=2) is Decision.REJECT
    assert decide(Policy.QUEUE, lock) is Decision.WAIT


def test_max_queue_zero_refuses_at_once():
    assert decide(Policy.QUEUE, HELD, max_queue=0) is Decision.REJECT


def test_reject_refuses_while_the_holder_works():
    assert decide(Policy.REJECT, HELD) is Decision.REJECT


def test_reject_waits_for_a_holder_that_is_being_cancelled():
    assert decide(Policy.REJECT, ENDING) is Decision.WAIT


def test_reject_refuses_when_somebody_waits_for_that_end_already():
    lock = LockView(held=True, holder_cancelling=True, waiting=1)
    assert decide(Policy.REJECT, lock) is Decision.REJECT


def test_replace_takes_the_holders_place():
    assert decide(Policy.REPLACE, HELD) is Decision.REPLACE
