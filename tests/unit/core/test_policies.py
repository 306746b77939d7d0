from dataclasses import replace

import pytest

from singletrack.policies import Decision, LockView, Policy, Refusal, decide, why_refused

FREE = LockView(held=False)
HELD = LockView(held=True)
PAUSED = LockView(held=False, paused=True)
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


@pytest.mark.parametrize("lock", [HELD, ENDING, LockView(held=True, waiting=7)])
def test_queue_latest_always_waits_alone(lock):
    assert decide(Policy.QUEUE_LATEST, lock) is Decision.SUPERSEDE


@pytest.mark.parametrize("lock", [HELD, ENDING, LockView(held=True, waiting=7)])
def test_skip_never_waits(lock):
    assert decide(Policy.SKIP, lock) is Decision.SKIP


def test_join_joins_unless_the_holder_is_ending_and_nobody_comes_after_it():
    assert decide(Policy.JOIN, HELD) is Decision.JOIN
    assert decide(Policy.JOIN, ENDING) is Decision.WAIT
    after_it = LockView(held=True, holder_cancelling=True, waiting=1)
    assert decide(Policy.JOIN, after_it) is Decision.JOIN


@pytest.mark.parametrize("policy", set(Policy) - {Policy.QUEUE})
def test_the_length_of_the_list_means_something_under_queue_only(policy):
    lock = LockView(held=True, waiting=3)
    assert decide(policy, lock, max_queue=1) is decide(policy, lock)


def test_a_refusal_has_one_reason_per_policy():
    assert why_refused(Policy.QUEUE, HELD) is Refusal.QUEUE_FULL
    assert why_refused(Policy.REJECT, HELD) is Refusal.LOCK_HELD
    assert why_refused(Policy.QUEUE, PAUSED) is Refusal.QUEUE_FULL
    assert why_refused(Policy.REJECT, PAUSED) is Refusal.LOCK_PAUSED


@pytest.mark.parametrize(
    ("policy", "decision"),
    [
        (Policy.REJECT, Decision.REJECT),
        (Policy.QUEUE, Decision.WAIT),
        (Policy.QUEUE_LATEST, Decision.SUPERSEDE),
        (Policy.REPLACE, Decision.REPLACE),
        (Policy.JOIN, Decision.WAIT),
        (Policy.SKIP, Decision.SKIP),
    ],
)
def test_a_paused_lock_starts_nobody(policy, decision):
    assert decide(policy, PAUSED) is decision


def test_at_a_paused_lock_one_joins_the_first_in_line():
    assert decide(Policy.JOIN, LockView(held=False, paused=True, waiting=1)) is Decision.JOIN


def test_reject_does_not_wait_for_an_end_after_which_nothing_starts():
    lock = LockView(held=True, holder_cancelling=True, paused=True)
    assert decide(Policy.REJECT, lock) is Decision.REJECT


@pytest.mark.parametrize("policy", set(Policy) - {Policy.REJECT})
@pytest.mark.parametrize("cancelling", [True, False])
def test_what_a_held_lock_means_does_not_depend_on_a_pause(policy, cancelling):
    lock = LockView(held=True, holder_cancelling=cancelling, waiting=1)
    assert decide(policy, replace(lock, paused=True)) is decide(policy, lock)
