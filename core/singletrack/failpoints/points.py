"""The registry of all failpoints. A test compares it with the calls in the source, both ways.

Most sit at the three borders that every step of the protocol crosses: a ledger operation, a message
to the lease agent, a request to the API server. There the *detail* says which, so one place gives a
point before and after each step, in every process that takes it. The others are steps that cross no
border.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One place."""

    meaning: str
    answers: bool = False
    """A reply has come and nobody has seen it: here it can be dropped."""
    detailed: bool = False


POINTS: dict[str, Point] = {
    # borders
    "ledger.send": Point(meaning="an operation is about to be sent", detailed=True),
    "ledger.sent": Point(meaning="its reply has come", answers=True, detailed=True),
    "agent.ask": Point(meaning="a message to the lease agent is about to be sent", detailed=True),
    "agent.asked": Point(meaning="it was sent, or answered", answers=True, detailed=True),
    "kubernetes.send": Point(meaning="a request is about to be sent", detailed=True),
    "kubernetes.sent": Point(meaning="its answer has come", answers=True, detailed=True),
    # the worker's main process
    "request.accepted": Point(meaning="a child has the message, main has noted nothing"),
    "request.settled": Point(meaning="the message is not needed any more, not yet acknowledged"),
    # a pool child
    "gate.received": Point(meaning="of a producer's run nothing but its message knows"),
    "gate.started": Point(meaning="started and watched; the agent has been told"),
    "gate.dropped": Point(meaning="it is not to be executed; the agent still expects it to start"),
    "executor.received": Point(meaning="the child has the run and has told nobody"),
    "executor.confirmed": Point(meaning="begun and watched; the next line is user code"),
    "executor.returned": Point(meaning="user code is over"),
    "executor.swept": Point(meaning="nothing of the task is left behind, the end not recorded"),
    "executor.finished": Point(meaning="the end is recorded, the agent does not know"),
    "executor.left": Point(meaning="the agent was told; Celery has no answer yet"),
    # the lease agent
    "agent.renew": Point(meaning="a renewal is due"),
    "agent.renewed": Point(meaning="its answer is there, and not taken in"),
    "agent.kill": Point(meaning="processes have to be killed"),
    "agent.killed": Point(meaning="they are dead, nobody was told"),
    "agent.report": Point(meaning="an end has to be reported"),
    "agent.reported": Point(meaning="the ledger has answered the report"),
    "agent.restore": Point(meaning="a record the ledger has lost is about to be restored"),
    "agent.restored": Point(meaning="the ledger has answered that"),
    # the operator
    "operator.seen": Point(meaning="the watch has told of a TaskRun, and nothing is noted"),
    "operator.compared": Point(meaning="all TaskRuns were listed, what differs is not queued"),
    "operator.decided": Point(meaning="what a TaskRun calls for is decided, and nothing done"),
    # upkeep
    "upkeep.listed": Point(meaning="due messages were listed, none is published"),
    "upkeep.published": Point(meaning="the broker has them, the ledger does not know"),
    "upkeep.over": Point(meaning="a lease was seen unchanged for too long"),
    "upkeep.bless": Point(meaning="a server is about to be blessed"),
}
