"""Checks of who executes: broker, workers with their agents, tasks with their queues."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from singletrack.adapters.celery_broker.census import WorkerView
from singletrack.adapters.redis_ledger.report import ServerReport
from singletrack.adapters.redis_ledger.unacknowledged import find_strangers
from singletrack.catalogue import CatalogueEntry
from singletrack.findings import Finding, error, info, warning
from singletrack.operations import ServerStatus
from singletrack_cli.doctor.facts import BrokerView, CannotTell, Facts, Workers

Judgement = tuple[str, Iterator[Finding]]

_START = "Start one: singletrack-worker (or celery -A yourapp worker, after install(app))"


def broker(facts: Facts) -> Judgement:
    """Whether the broker answers and is ours alone."""
    view = facts[BrokerView]
    summary = f"{view.address}, {'the ledger database' if view.in_ledger else 'its own'}"
    try:
        return summary, find_strangers(view.unacknowledged, known_tasks(facts))
    except CannotTell:  # without knowing whose tasks there are, nobody is a stranger
        return summary, iter(())


def known_tasks(facts: Facts) -> frozenset[str]:
    """Those of the catalogue and of every app that has the gate."""
    report, seen = facts[ServerReport], facts[Workers]
    gated = with_agents(seen.answered, report.status.agents)
    return frozenset(report.catalogue) | {task for worker in gated for task in worker.tasks}


def workers(facts: Facts) -> Judgement:
    """Whether somebody executes, with a lease agent beside each."""
    report, seen = facts[ServerReport], facts[Workers]
    gated = with_agents(seen.answered, report.status.agents)
    shown = ", ".join(f"{each.name} ({each.pool}, {each.slots} slots)" for each in gated)

    def found() -> Iterator[Finding]:
        yield from find_nobody(gated, report.status.agents)
        yield from find_ungated(seen.answered, gated, queues_of(facts))
        yield from find_silent_agents(gated, report.status)

    return shown or "none", found()


def tasks(facts: Facts) -> Judgement:
    """Whether each registered task has a worker that reads its queue."""
    report, queues = facts[ServerReport], queues_of(facts)
    gated = with_agents(facts[Workers].answered, report.status.agents)
    consumed = {queue for worker in gated for queue in worker.queues}
    return f"{len(report.catalogue)} registered", find_unread_queues(queues, consumed)


def queues_of(facts: Facts) -> Mapping[str, list[str]]:
    """The queues of the registered tasks, with the tasks."""
    default = facts.settings.broker.default_queue
    queues = defaultdict(list)
    for name, text in sorted(facts[ServerReport].catalogue.items()):
        queues[CatalogueEntry.from_json(text).queue or default].append(name)
    return queues


def with_agents(
    answered: Collection[WorkerView], agents: Collection[str]
) -> tuple[WorkerView, ...]:
    """The workers that have a lease agent: its name is the worker's and a random part."""
    names = {agent.rpartition("/")[0] for agent in agents}
    return tuple(worker for worker in answered if worker.name in names)


def find_nobody(gated: Collection[WorkerView], agents: Collection[str]) -> Iterator[Finding]:
    """No worker."""
    if gated:
        return
    if agents:
        yield error(
            f"the ledger knows {len(agents)} lease agents, but none of their workers answers: they "
            "are dead, or do not reach the broker",
            _START,
        )
    else:
        yield error("no worker is alive: nothing is executed", _START)


def find_ungated(
    answered: Collection[WorkerView],
    gated: Collection[WorkerView],
    queues: Mapping[str, Collection[str]],
) -> Iterator[Finding]:
    """Workers that take our messages and know no locks."""
    for worker in answered:
        shared = [queue for queue in worker.queues if queue in queues]
        if worker not in gated and shared:
            yield error(
                f"the worker {worker.name} ({worker.pool}) reads the queue {_some(shared)} and has "
                "no lease agent: it drops the messages of Singletrack tasks, or executes them "
                "without a lock",
                "Call singletrack_worker.install(app) in its app, or let it read other queues: -Q",
            )


def find_silent_agents(gated: Collection[WorkerView], status: ServerStatus) -> Iterator[Finding]:
    """Agents that have not been heard of."""
    names = {worker.name for worker in gated}
    # One that has just come has told no server anything yet.
    behind = [agent for agent, told in status.agents.items() if told not in ("", status.server_id)]
    absent = [
        agent
        for agent in status.agents
        if agent.rpartition("/")[0] not in names and agent not in behind
    ]
    if behind and status.blessed:
        yield warning(
            f"{_some(behind)}: has not renewed since the server has restarted",
            "Look into that worker's log; stop it if it hangs",
        )
    if absent and gated:
        yield info(
            f"{_some(absent)}: known to the ledger, and its worker did not answer: it is busy, or "
            "its machine has died",
            "Nothing: a dead agent is forgotten after the next restart of the server",
        )


def find_unread_queues(
    queues: Mapping[str, Collection[str]], consumed: Collection[str]
) -> Iterator[Finding]:
    """Tasks whose messages nobody takes."""
    if not queues:
        yield error("no task is registered", f"{_START}; its app has to import your tasks")
    for queue, names in queues.items():
        if queue not in consumed:
            yield error(
                f"no worker reads the queue {queue!r} of the task {_some(names)}: its runs expire "
                "without having started",
                f"Start one that does: singletrack-worker -Q {queue}",
            )


def _some(names: Collection[str], most: int = 3) -> str:
    shown = ", ".join(sorted(names)[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
