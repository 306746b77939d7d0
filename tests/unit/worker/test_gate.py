"""The gate before user code: a real ledger and the agent's real table, on one clock of ours."""

from __future__ import annotations

import os

import pytest

from singletrack.adapters.memory import MemoryLedger
from singletrack.errors import LedgerUnavailable
from singletrack.lifecycle import State
from singletrack.operations import GetRun, Operation, Start, Submit
from singletrack.pods import Pod
from singletrack.run import RunSpec
from singletrack.settings import Settings, WorkerSettings
from singletrack.specification import to_header
from singletrack_worker.agent.bindings import Stage
from singletrack_worker.agent.client import AgentError
from singletrack_worker.agent.messages import Bind, Refused, Started
from singletrack_worker.agent.rules import Rules
from singletrack_worker.agent.table import Table
from singletrack_worker.delivery import Delivery
from singletrack_worker.direct import Message
from singletrack_worker.gate import Gate
from singletrack_worker.runtime import Runtime

POD = Pod(namespace="shop", name="worker-1", uid="u1", node="n1")
IN_A_POD = {
    "pod_name": POD.name,
    "pod_namespace": POD.namespace,
    "pod_uid": POD.uid,
    "node_name": POD.node,
}
RULES = Rules(lease=30, fence=8, renew=5, patience=75, timeout_grace=10)


class Clock:
    now = 1000.0

    def boottime(self):
        return self.now


class Ledger(MemoryLedger):
    """Takes `delays` seconds for each durable write, and loses that many answers."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock, self.delay, self.answers_to_lose = clock, 0.0, 0
        self.durable: list[Operation] = []

    def execute_durably(self, operation):
        self.durable.append(operation)
        reply = self.execute(operation)
        self.clock.now += self.delay
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            raise LedgerUnavailable("the answer was lost")
        return reply


class Agent:
    """The agent of this process, without a socket between."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.table, self.dead = clock, Table(RULES), False

    def bind_soon(self, run_id, nonce, sent_at, spec=""):
        asked = Bind(run_id=run_id, nonce=nonce, sent_at=sent_at, spec=spec)
        return self.table.bind(os.getpid(), asked, self.clock.now)

    def bound(self, asked):
        if self.dead:
            raise AgentError("the lease agent is gone")
        return asked

    def started(self, grant):
        self.table.start(os.getpid(), Started(grant=grant), self.clock.now)

    def left(self, nonce, outcome=""):
        self.table.left(os.getpid(), nonce, outcome, self.clock.now)


class Bench:
    def __init__(self):
        self.clock = Clock()
        self.ledger, self.agent = Ledger(self.clock), Agent(self.clock)
        runtime = Runtime(
            settings=Settings(worker=WorkerSettings.model_validate(IN_A_POD)),
            ledger=self.ledger,
            agent=self.agent,
            worker="w",
            clock=self.clock,
        )
        self.gate = Gate(runtime, specify=_nothing_is_direct, recorded=lambda _nonce: None)

    def enter(self, run_id, nonce="n"):
        spec = RunSpec(run_id=run_id, task="report", lock=f"default/{run_id}", envelope="text")
        self.ledger.execute(Submit(spec=spec))
        header = {"singletrack": to_header(spec)}
        message = Message(run_id=run_id, task="report", headers=header, ours=True)
        return self.gate.enter(Delivery(run_id=run_id, nonce=nonce), message).grant

    def state(self, run_id):
        return self.ledger.execute(GetRun(run_id=run_id)).state


def _nothing_is_direct(message):
    raise AssertionError(f"{message} is not a producer's")


@pytest.fixture
def bench():
    return Bench()


def test_a_run_whose_process_is_watched_may_start(bench):
    assert bench.enter("a")
    assert [(binding.run_id, binding.stage) for binding in bench.agent.table] == [
        ("a", Stage.STARTED)
    ]
    assert bench.state("a") is State.RUNNING


def test_a_run_starts_by_a_durable_write(bench):
    bench.enter("a")
    assert bench.ledger.durable == [Start(run_id="a", nonce="n", worker="w", pod=POD, push=True)]


def test_a_run_the_agent_refuses_to_watch_is_handed_back(bench):
    bench.enter("a", "n")
    assert isinstance(bench.agent.bind_soon("b", "m", bench.clock.now), Refused)
    assert bench.enter("b", "m") is None
    assert bench.state("b") is State.READY


def test_a_run_whose_agent_is_gone_is_handed_back(bench):
    bench.agent.dead = True
    with pytest.raises(AgentError):
        bench.enter("a")
    assert bench.state("a") is State.READY


def test_a_start_that_took_longer_than_its_lease_is_handed_back(bench):
    bench.ledger.delay = RULES.lease
    assert bench.enter("a") is None
    assert bench.state("a") is State.READY


def test_the_lease_counts_from_before_the_first_of_several_attempts(bench):
    began = bench.clock.now
    bench.ledger.delay, bench.ledger.answers_to_lose = 5.0, 1
    assert bench.enter("a")
    assert [binding.deadline for binding in bench.agent.table] == [RULES.deadline(began)]


def test_a_start_whose_answers_are_lost_for_too_long_is_handed_back(bench):
    bench.ledger.delay, bench.ledger.answers_to_lose = 12.0, 1
    assert bench.enter("a") is None
    assert bench.state("a") is State.READY
