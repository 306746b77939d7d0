"""Where the signals of a stop and of a soft time limit raise, and where they are remembered."""

import os
import signal
import threading

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from singletrack_worker.agent.messages import SOFT_LIMIT
from singletrack_worker.stopping import Interruptions, StopRequested


class SettableClock:
    def __init__(self):
        self.now = 100.0

    def boottime(self):
        return self.now


@pytest.fixture
def clock():
    return SettableClock()


@pytest.fixture
def interruptions(clock):
    before = signal.getsignal(SOFT_LIMIT)
    yield Interruptions(clock)
    signal.signal(SOFT_LIMIT, before)


def send(number):
    os.kill(os.getpid(), number)


def test_a_soft_limit_raises_in_user_code_once(interruptions, clock):
    with interruptions.taken(), interruptions.user_code(5):
        clock.now = 105.0
        with pytest.raises(SoftTimeLimitExceeded):
            send(SOFT_LIMIT)
        send(SOFT_LIMIT)
    assert interruptions.overran


def test_a_soft_limit_raises_in_no_code_but_the_users(interruptions, clock):
    with interruptions.taken():
        clock.now = 105.0
        with interruptions.user_code(5):
            pass
        send(SOFT_LIMIT)
    send(SOFT_LIMIT)
    assert not interruptions.overran


def test_a_soft_limit_that_is_over_before_user_code_raises_at_its_start(interruptions, clock):
    with interruptions.taken():
        clock.now = 105.0
        send(SOFT_LIMIT)
        with pytest.raises(SoftTimeLimitExceeded), interruptions.user_code(5):
            pytest.fail("user code has started")


def test_a_signal_that_was_meant_for_an_earlier_run_does_nothing(interruptions, clock):
    with interruptions.taken(), interruptions.user_code(5):
        clock.now = 105.0
    with interruptions.taken():
        send(SOFT_LIMIT)
        with interruptions.user_code(5):
            send(SOFT_LIMIT)
    assert not interruptions.overran


def test_a_run_without_a_soft_limit_is_not_interrupted(interruptions, clock):
    with interruptions.taken(), interruptions.user_code():
        clock.now = 1e9
        send(SOFT_LIMIT)
    assert not interruptions.overran


@pytest.mark.parametrize(
    ("number", "raised"), [(SOFT_LIMIT, SoftTimeLimitExceeded), (signal.SIGTERM, StopRequested)]
)
def test_what_user_code_has_called_of_ours_comes_to_its_end_first(
    interruptions, clock, number, raised
):
    done = []

    def call():
        with interruptions.held():
            send(number)
            done.append("ours")
        done.append("the user's")

    with interruptions.taken(), interruptions.user_code(5):
        clock.now = 105.0
        with pytest.raises(raised):
            call()
    assert done == ["ours"]


def test_a_call_of_ours_in_another_thread_holds_nothing(interruptions, clock):
    inside, over = threading.Event(), threading.Event()

    def call():
        with interruptions.held():
            inside.set()
            over.wait(20)

    thread = threading.Thread(target=call)
    thread.start()
    with interruptions.taken(), interruptions.user_code(5):
        assert inside.wait(20)
        clock.now = 105.0
        with pytest.raises(SoftTimeLimitExceeded):
            send(SOFT_LIMIT)
        over.set()
        thread.join()


def test_a_stop_goes_before_a_soft_limit(interruptions, clock):
    with interruptions.taken(), interruptions.user_code(5):
        clock.now = 105.0
        with pytest.raises(StopRequested):
            send(signal.SIGTERM)
        send(SOFT_LIMIT)
    assert interruptions.received
    assert not interruptions.overran


def test_a_stop_interrupts_code_that_cleans_up_after_its_soft_limit(interruptions, clock):
    with interruptions.taken(), interruptions.user_code(5):
        clock.now = 105.0
        with pytest.raises(SoftTimeLimitExceeded):
            send(SOFT_LIMIT)
        with pytest.raises(StopRequested):
            send(signal.SIGTERM)
        send(signal.SIGTERM)


def test_the_signal_of_a_stop_is_given_back(interruptions):
    before = signal.getsignal(signal.SIGTERM)
    with interruptions.taken():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_signal_of_the_agent_that_comes_late_does_not_end_the_process(interruptions):
    with interruptions.taken():
        pass
    send(SOFT_LIMIT)
    assert signal.getsignal(SOFT_LIMIT) not in {signal.SIG_DFL, signal.SIG_IGN}
