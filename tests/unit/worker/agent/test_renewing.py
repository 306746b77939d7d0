"""Which call the agent sends next, and what it makes of the answers."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from singletrack.errors import LedgerUnavailable
from singletrack.exits import Exit
from singletrack.lifecycle import State
from singletrack.operations import (
    AgentGone,
    ChildGone,
    EndReply,
    Grant,
    LeaseAnswer,
    Reassert,
    Renew,
    RenewReply,
    Verdict,
)
from singletrack.pods import Pod
from singletrack.run import Outcome, RunSpec
from singletrack.specification import write_outcome, write_spec
from singletrack_worker.agent.bindings import Kill
from singletrack_worker.agent.calls import Answered
from singletrack_worker.agent.messages import Bind, Started
from singletrack_worker.agent.renewing import Renewing
from singletrack_worker.agent.rules import Rules
from singletrack_worker.agent.table import Table
from singletrack_worker.agent.telling import Identity

RULES = Rules(lease=30, fence=8, renew=5, patience=75, timeout_grace=10)
BLESSED = RenewReply(blessed=True)
OK = EndReply(verdict=Verdict.OK)
GRANT = Grant(run_id="r", nonce="n", token=1, lock="l", attempt=1)
POD = Pod(namespace="shop", name="worker-1", uid="u1")
SPEC = RunSpec(run_id="r", task="t", lock="l", kwargs={"month": "2026-10"})
DONE = Outcome(state=State.SUCCEEDED, result="[42]")


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
        self.renewing = Renewing(
            Identity(name="agent", pod=POD), self.table, RULES, self.calls, self.clock
        )

    def step(self, seconds=0.0):
        self.clock.now += seconds
        self.renewing.step(self.clock.now)
        return self.calls.sent[-1]

    def answer(self, reply=None, error=None):
        self.calls.answered = Answered(sent_at=self.clock.now, reply=reply, error=error)

    def start_run(self, spec=""):
        self.bind_and_start(1, GRANT, spec)

    def end_well(self, run_id):
        grant = Grant(run_id=run_id, nonce=run_id, token=1, lock="l", attempt=1)
        self.bind_and_start(2, grant, write_spec(SPEC))
        self.table.left(2, run_id, write_outcome(DONE), self.clock.now)

    def bind_and_start(self, pid, grant, spec):
        now = self.clock.now
        asked = Bind(run_id=grant.run_id, nonce=grant.nonce, sent_at=now, spec=spec)
        self.table.bind(pid, asked, now)
        self.table.start(pid, Started(grant=grant), now)

    def end_run(self):
        self.table.child_died(1, Exit(code=1))
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
    assert bench.step() == Renew(agent="agent", leases=(("r", "n"),), token=1)


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


UNBLESSED = RenewReply(blessed=False, server_id="s2", known=False)
LOST_LEASE = LeaseAnswer(run_id="r", nonce="n", verdict=Verdict.DROP)


class TestAServerThatHasComeBack:
    def meet(self, bench, *answers):
        """Renew, hear that the server is unblessed, and answer what is said next."""
        bench.step()
        bench.answer(replace(UNBLESSED, answers=answers))
        return bench.step()

    def test_is_given_back_the_record_of_what_executes(self, bench):
        bench.start_run(spec=write_spec(SPEC))
        assert self.meet(bench, LOST_LEASE) == Reassert(
            spec=SPEC, grant=GRANT, worker="agent", pod=POD, outcome=None
        )

    def test_renews_the_restored_run_at_once(self, bench):
        bench.start_run(spec=write_spec(SPEC))
        self.meet(bench, LOST_LEASE)
        bench.answer(OK)
        assert isinstance(bench.step(), Renew)

    def test_is_told_first_how_runs_have_ended(self, bench):
        bench.end_well("before")
        bench.start_run(spec=write_spec(SPEC))
        first = self.meet(bench, LOST_LEASE)
        assert (first.grant.run_id, first.outcome) == ("before", DONE)
        bench.answer(OK)
        second = bench.step()
        assert (second.grant.run_id, second.outcome) == ("r", None)

    def test_hears_last_that_it_has_been_told_everything(self, bench):
        bench.end_well("before")
        self.meet(bench)
        bench.answer(OK)
        renewal = bench.step()
        assert (renewal.reported_to, renewal.token) == ("s2", 1)
        bench.answer(replace(UNBLESSED, known=True))
        bench.step()
        assert bench.renewing.next_moment() == 105.0

    def test_hears_at_once_when_there_is_nothing_to_tell(self, bench):
        assert self.meet(bench) == Renew(agent="agent", reported_to="s2")

    def test_is_told_everything_again_when_it_has_forgotten_the_agent(self, bench):
        bench.end_well("before")
        self.meet(bench)
        bench.answer(OK)
        bench.step()
        bench.answer(replace(UNBLESSED, known=False))
        assert bench.step().grant.run_id == "before"

    def test_is_told_what_ends_meanwhile_as_well(self, bench):
        self.meet(bench)
        bench.answer(replace(UNBLESSED, known=True))
        bench.step()
        bench.end_well("meanwhile")
        assert bench.step().grant.run_id == "meanwhile"

    def test_is_told_again_when_it_did_not_answer(self, bench):
        bench.end_well("before")
        self.meet(bench)
        bench.answer(error=LedgerUnavailable())
        sent = len(bench.calls.sent)
        bench.step()
        assert len(bench.calls.sent) == sent
        assert bench.renewing.next_moment() == bench.clock.now + 0.5
        assert bench.step(0.5).grant.run_id == "before"

    def test_is_told_nothing_once_it_is_blessed(self, bench):
        bench.end_well("before")
        bench.step()
        bench.answer(RenewReply(blessed=True, server_id="s2"))
        sent = len(bench.calls.sent)
        bench.step()
        assert len(bench.calls.sent) == sent
        assert bench.step(5.0).reported_to == "s2"

    def test_that_has_given_the_lock_to_a_later_claim_ends_the_run(self, bench):
        bench.start_run(spec=write_spec(SPEC))
        self.meet(bench, LOST_LEASE)
        bench.answer(EndReply(verdict=Verdict.DROP))
        bench.step()
        assert bench.table.due(bench.clock.now + 0.1) == [Kill("n")]

    def test_is_told_of_a_death_it_cannot_place_with_the_record(self, bench):
        bench.start_run(spec=write_spec(SPEC))
        bench.step()
        bench.end_run()
        bench.answer(replace(UNBLESSED, answers=(LOST_LEASE,)))
        bench.step()
        bench.answer(replace(UNBLESSED, known=True))
        assert isinstance(bench.step(), ChildGone)
        bench.answer(EndReply(verdict=Verdict.RECOVERING))
        told = bench.step()
        assert isinstance(told, Reassert)
        assert told.outcome is not None
        assert told.outcome.state is State.LOST
        bench.answer(OK)
        bench.step()
        assert len(bench.table) == 0

    def test_does_not_hear_of_a_run_whose_specification_makes_no_sense(self, bench):
        bench.start_run(spec="nonsense")
        assert isinstance(self.meet(bench, LOST_LEASE), Renew)

    def test_does_not_hear_of_a_run_that_is_too_large_to_remember(self, bench):
        bench.start_run(spec="")
        assert isinstance(self.meet(bench, LOST_LEASE), Renew)


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
