"""Whatever happens in whatever order, the table keeps these promises."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from singletrack.exits import Exit
from singletrack.operations import ChildGone, Grant, LeaseAnswer, RenewReply, Verdict
from singletrack.run import Cancellation
from singletrack_worker.agent.bindings import Kill, Stage, Terminate
from singletrack_worker.agent.messages import Bind, Bound, Started
from singletrack_worker.agent.rules import Rules
from singletrack_worker.agent.table import Table

RULES = Rules(lease=30, fence=8, renew=5, patience=75, timeout_grace=10)

nonces = st.sampled_from(["a", "b", "c"])
pids = st.sampled_from([1, 2])
limits = st.sampled_from([None, 0.0, 3.0])


class AnyOrder(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.table = Table(RULES)
        self.now = 0.0

    @rule(seconds=st.sampled_from([0.0, 0.05, 1.0, 5.0, 21.0, 80.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(nonce=nonces, pid=pids, age=st.sampled_from([0.0, 1.0, 30.0]))
    def bind(self, nonce, pid, age):
        asked = Bind(run_id=f"run-{nonce}", nonce=nonce, sent_at=self.now - age)
        answer = self.table.bind(pid, asked, self.now)
        assert not isinstance(answer, Bound) or answer.deadline > self.now

    @rule(nonce=nonces, pid=pids, timeout=limits, soft=limits)
    def start(self, nonce, pid, timeout, soft):
        bound = [b for b in self.table if b.nonce == nonce and b.stage is Stage.BOUND]
        grant = Grant(
            run_id=f"run-{nonce}",
            nonce=nonce,
            token=1,
            lock="l",
            attempt=1,
            timeout_seconds=timeout,
            soft_timeout_seconds=soft,
        )
        self.table.start(pid, Started(grant=grant), self.now)
        if any(b.stage is Stage.STARTED for b in bound):
            assert bound[0].pid == pid

    @rule(nonce=nonces, pid=pids)
    def leave(self, nonce, pid):
        self.table.leave(pid, nonce, self.now)

    @rule(nonce=nonces)
    def swept(self, nonce):
        if any(b.nonce == nonce and b.stage is Stage.LEAVING for b in self.table):
            self.table.swept(nonce)

    @rule(nonce=nonces, pid=pids)
    def left(self, nonce, pid):
        self.table.left(pid, nonce, "", self.now)

    @rule(pid=pids, known=st.booleans())
    def child_dies(self, pid, known):
        self.table.child_died(pid, Exit(code=1) if known else None)

    @rule(pid=pids)
    def exit_known(self, pid):
        self.table.exit_known(pid, Exit(signal="SIGKILL"), self.now)

    @rule(
        verdict=st.sampled_from([Verdict.OK, Verdict.CANCEL, Verdict.DROP]),
        blessed=st.booleans(),
        grace=st.sampled_from([0.0, 3.0]),
        delay=st.sampled_from([0.0, 2.0]),
    )
    def renewed(self, verdict, blessed, grace, delay):
        cancellation = Cancellation(by="t", grace_seconds=grace)
        answers = tuple(
            LeaseAnswer(run_id=run, nonce=nonce, verdict=verdict, cancellation=cancellation)
            for run, nonce in self.table.leases()
        )
        self.table.renewed(self.now - delay, RenewReply(blessed=blessed, answers=answers), self.now)

    @rule()
    def main_dies(self):
        self.table.abandon("main died")
        assert not self.table.earliest_deadline() < float("inf")

    @rule()
    def the_loop_turns(self):
        for action in self.table.due(self.now):
            stage = self.table[action.nonce].stage
            if isinstance(action, Kill):
                assert stage is Stage.DYING
                self.table.buried(action.nonce, self.now)
            elif isinstance(action, Terminate):
                assert stage in (Stage.STARTED, Stage.LEAVING, Stage.DYING)
        assert self.table.earliest_deadline() > self.now
        assert self.table.next_moment() > self.now  # it never spins

    @rule()
    def the_ledger_answers(self):
        found = self.table.next_report(self.now)
        if found:
            nonce, operation = found
            assert isinstance(operation, ChildGone)
            self.table.reported(nonce, None, self.now)

    @invariant()
    def a_child_has_at_most_one_run(self):
        holders = [b.pid for b in self.table if b.stage in (Stage.BOUND, Stage.STARTED)]
        assert len(holders) == len(set(holders))


TestAnyOrder = AnyOrder.TestCase
