"""Which call the agent sends next, and what it makes of the answers."""

from math import inf
from typing import Any

import pytest

from singletrack.errors import LedgerUnavailable
from singletrack.operations import (
    AgentGone,
    ChildGone,
    EndReply,
    Grant,
    LeaseAnswer,
    NotStarted,
    Renew,
    RenewReply,
    Verdict,
)
from singletrack_worker.agent.bindings import Rules
from singletrack_worker.agent.calls import Answered
from singletrack_worker.agent.renewing import Renewing
from singletrack_worker.agent.table import Table

RULES = Rules(lease=30, fence=8, renew=5, patience=75, timeout_grace=10)
BLESSED = RenewReply(blessed=True)
OK = EndReply(verdict=Verdict.OK)


class Calls:
    """The ledger's thread, without a thread: a test answers."""

    then: Any

    def __init__(self):
        self.sent = []
        self.answered = None
        self.then = None

    @property
    def busy(self):
        return self.then is not None

    def begin(self, operation, then):
        assert not self.busy
        self.sent.append(operation)
        self.then = then

    def collect(self):
        if self.answered:
            then, answered = self.then, self.answered
            self.then = self.answered = None
            then(answered)


class Clock:
    now = 100.0

    def boottime(self):
        return self.now


class Bench:
    """A `Renewing` with a hand on everything around it."""

    def __init__(self):
        self.table, self.calls, self.clock = Table(RULES), Calls(), Clock()
        self.renewing = Renewing("agent", self.table, RULES, self.calls, self.clock)

    def step(self, seconds=0.0):
        self.clock.now += seconds
        self.renewing.step(self.clock.now)
        return self.calls.sent[-1]

    def answer(self, reply=None, error=None):
        self.calls.answered = Answered(sent_at=self.clock.now, reply=reply, error=error)

    def start_run(self, spec=""):
        grant = Grant(run_id="r", nonce="n", token=1, lock="l", attempt=1)
        self.table.watch(grant, self.clock.now, spec)
        self.table.bind(1, "n", self.clock.now)
        self.table.start(1, "n", None, self.clock.now)

    def end_run(self):
        self.table.child_died(1, "exit code 1")
        self.table.buried("n", self.clock.now)


@pytest.fixture
def bench():
    return Bench()


def test_it_renews_at_once_and_then_in_its_interval(bench):
    assert bench.step() == Renew(agent="agent")
    bench.answer(BLESSED)
    bench.step()
    assert bench.renewing.next_moment() == 105.0
    bench.step(4.9)
    assert len(bench.calls.sent) == 1
    bench.step(0.1)
    assert len(bench.calls.sent) == 2


def test_it_waits_for_an_answer_before_it_sends_again(bench):
    bench.step()
    bench.renewing.hasten()
    bench.step(60.0)
    assert len(bench.calls.sent) == 1
    assert bench.renewing.next_moment() == inf


def test_what_was_hastened_during_a_call_follows_it(bench):
    bench.step()
    bench.renewing.hasten()
    bench.answer(BLESSED)
    bench.step()
    assert len(bench.calls.sent) == 2


def test_a_renewal_names_every_lease(bench):
    bench.start_run()
    assert bench.step() == Renew(agent="agent", leases=(("r", "n"),))


def test_a_renewal_that_failed_is_repeated_soon(bench):
    bench.step()
    bench.answer(error=LedgerUnavailable())
    bench.step()
    assert bench.renewing.next_moment() == 100.5


def test_a_report_is_sent_between_renewals_and_ends_with_its_answer(bench):
    bench.start_run()
    bench.step()
    bench.end_run()
    bench.answer(BLESSED)
    assert isinstance(bench.step(), ChildGone)
    bench.answer(OK)
    bench.step()
    assert len(bench.table) == 0


@pytest.mark.parametrize("verdict", [Verdict.DROP, Verdict.UNKNOWN])
def test_a_report_that_is_not_wanted_any_more_is_done_too(bench, verdict):
    bench.start_run()
    bench.step()
    bench.end_run()
    bench.answer(BLESSED)
    bench.step()
    bench.answer(EndReply(verdict=verdict))
    bench.step()
    assert len(bench.table) == 0


@pytest.mark.parametrize(
    "answer", [{"error": LedgerUnavailable()}, {"reply": EndReply(verdict=Verdict.RECOVERING)}]
)
def test_a_report_is_repeated_until_the_ledger_has_taken_it(bench, answer):
    bench.start_run()
    bench.step()
    bench.end_run()
    bench.answer(BLESSED)
    bench.step()
    bench.answer(**answer)
    bench.step()
    assert len(bench.calls.sent) == 2
    bench.step(0.1)
    assert isinstance(bench.calls.sent[2], ChildGone)


def test_a_due_renewal_goes_before_a_report(bench):
    bench.start_run()
    bench.end_run()
    assert isinstance(bench.step(), Renew)


class TestARecordThatTheServerHasLost:
    @pytest.fixture
    def forgotten(self, bench):
        bench.renewing.restore = lambda spec, grant: NotStarted(run_id=spec, nonce=grant.nonce)
        return bench

    def lose(self, bench):
        bench.step()
        lost = LeaseAnswer(run_id="r", nonce="n", verdict=Verdict.DROP)
        bench.answer(RenewReply(blessed=False, answers=(lost,)))
        return bench.step()

    def test_is_restored_from_what_main_has_announced(self, forgotten):
        forgotten.start_run(spec="the specification")
        assert self.lose(forgotten) == NotStarted(run_id="the specification", nonce="n")

    def test_is_renewed_again_as_soon_as_it_is_restored(self, forgotten):
        forgotten.start_run(spec="the specification")
        self.lose(forgotten)
        forgotten.answer(OK)
        assert isinstance(forgotten.step(), Renew)

    def test_stays_lost_when_main_has_announced_nothing(self, forgotten):
        forgotten.start_run()
        assert isinstance(self.lose(forgotten), Renew)
        assert len(forgotten.calls.sent) == 1

    def test_stays_lost_for_an_agent_that_restores_nothing(self, bench):
        bench.start_run(spec="the specification")
        assert isinstance(self.lose(bench), Renew)


def test_after_goodbye_it_says_no_more(bench):
    bench.step()
    bench.answer(BLESSED)
    bench.step()
    bench.renewing.say_goodbye()
    assert bench.calls.sent[-1] == AgentGone(agent="agent")
    bench.answer(None)
    bench.step(60.0)
    assert bench.renewing.said_goodbye
    assert len(bench.calls.sent) == 2


def test_goodbye_waits_for_the_call_under_way(bench):
    bench.step()
    bench.renewing.say_goodbye()
    assert len(bench.calls.sent) == 1
