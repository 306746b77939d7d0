"""Queues and workers: is there somebody to do the work, and how much of it waits."""

from __future__ import annotations

from collections.abc import Sequence

from support.dashboards import boards
from support.dashboards.boards import QUEUE_LINK, QUEUES, Board, Row, api_link, query_variable
from support.dashboards.expressions import (
    TARGET,
    age,
    ledger,
    own,
    own_rate,
    per_minute,
    ratio,
    standard,
    total,
)
from support.dashboards.panels import WHOLE, Column, Panel, Words, lines, table

CHOSEN = 'queue=~"$queue"'
OWNING = 'state=~"READY|CLAIMED|RUNNING"'


def board() -> Board:
    """Where one looks when runs wait."""
    return Board(
        uid=QUEUES,
        title="Singletrack / Queues and workers",
        description="What waits in each queue, who takes from it, and how the workers are.",
        variables=[query_variable("queue", "Queue", "runs"), *boards.api_variables()],
        links=[api_link("Queues (API)", "/v1/queues", "Each queue, and who has paused it and why")],
        rows=[
            Row("Queues", [_table(), *_queues()], width=12),
            Row("Slots", _slots(), width=12),
            Row("Workers", _workers(), width=12),
            Row("Their processes", _processes(), width=12),
        ],
    )


def _slots_for_a_queue() -> str:
    return f"{own('worker_consumes', CHOSEN)} * on ({TARGET}) group_left () {own('worker_slots')}"


def _table() -> Panel:
    return table(
        Words(
            "Queues now",
            "Runs in each queue by what they wait for, and the slots of the workers that take from "
            "it. A worker that takes from several queues counts for each.",
        ),
        [
            Column("Queue", "queue", link=QUEUE_LINK),
            Column("Executed", total(ledger("runs", CHOSEN, 'state="RUNNING"'), "queue"), WHOLE),
            Column(
                "Wait for a worker",
                total(ledger("runs", CHOSEN, 'state=~"READY|CLAIMED"'), "queue"),
                WHOLE,
            ),
            Column(
                "Wait for a lock",
                total(ledger("runs", CHOSEN, 'state="QUEUED"'), "queue"),
                WHOLE,
            ),
            Column("Slots", total(_slots_for_a_queue(), "queue"), WHOLE),
        ],
        sort="Wait for a worker",
    )


def _queues() -> Sequence[Panel]:
    return [
        lines(
            Words(
                "Runs that need a slot, by queue",
                "Runs that own their lock: those that are executed and those that wait for a "
                "worker.",
            ),
            "short",
            {"{{queue}}": total(ledger("runs", CHOSEN, OWNING), "queue")},
            stacked=True,
        ),
        lines(
            Words(
                "Runs alive, by state",
                "QUEUED waits for its lock, READY for a worker; CLAIMED is about to start, RUNNING "
                "is executed.",
            ),
            "short",
            {"{{state}}": total(ledger("runs", CHOSEN), "state")},
            stacked=True,
        ),
        lines(
            Words(
                "Executed longest, by queue",
                "For how long the run that was started first of those that are executed now has "
                "been.",
            ),
            "s",
            {"{{queue}}": f"max by (queue) ({ledger('longest_running_seconds', CHOSEN)})"},
        ),
        lines(
            Words(
                "Paused",
                "Queues and locks that are paused. Which, by whom and why: the API's `/v1/queues` "
                "says.",
            ),
            "short",
            {"{{kind}}": total(ledger("paused"), "kind")},
        ),
        lines(
            Words(
                "Workers for each queue",
                "Workers that take messages from it. None, and its runs wait for ever.",
            ),
            "short",
            {"{{queue}}": total(own("worker_consumes", CHOSEN), "queue")},
        ),
    ]


def _slots() -> Sequence[Panel]:
    return [
        lines(
            Words("Slots of workers", "Slots of all workers, and those that are busy."),
            "short",
            {
                "busy": total(own("worker_slots_busy")),
                "all": total(own("worker_slots")),
            },
        ),
        lines(
            Words(
                "Share of slots that are busy",
                "Close to 100 % for long, and runs wait although their lock is free: more workers.",
            ),
            "percentunit",
            {"busy": ratio(total(own("worker_slots_busy")), total(own("worker_slots")))},
        ),
    ]


def _workers() -> Sequence[Panel]:
    heartbeat = age(own("worker_heartbeat_timestamp_seconds"))
    return [
        table(
            Words(
                "Workers now",
                "Each worker that is scraped. A heartbeat that gets older is a main process that "
                "hangs.",
            ),
            [
                Column("Namespace", "namespace"),
                Column("Worker", "instance"),
                Column("Slots", total(own("worker_slots"), "namespace", "instance"), WHOLE),
                Column("Busy", total(own("worker_slots_busy"), "namespace", "instance"), WHOLE),
                Column(
                    "Last heartbeat",
                    f"max by (namespace, instance) ({heartbeat})",
                    "s",
                ),
            ],
            sort="Last heartbeat",
        ),
        lines(
            Words(
                "Age of the oldest heartbeat", "Since when the slowest worker has not come round."
            ),
            "s",
            {"oldest": f"max({heartbeat})"},
        ),
        lines(
            Words(
                "Pool children that ended",
                "`recycled` is as wanted. `signal` is a kill, by the agent, the kernel for want of "
                "memory, or somebody; `error` is a child that ended by itself. By the minute.",
            ),
            "cpm",
            {"{{kind}}": per_minute(total(own_rate("worker_child_exits_total"), "kind"))},
            stacked=True,
        ),
        lines(
            Words(
                "Lease agents that were replaced",
                "Agents that died, by the minute. While there is none, a worker starts nothing.",
            ),
            "cpm",
            {"replaced": per_minute(total(own_rate("worker_agent_restarts_total")))},
        ),
    ]


def _processes() -> Sequence[Panel]:
    return [
        lines(
            Words(
                "Memory of the main process, by component",
                "Resident memory of what is scraped, the largest of each component. The children "
                "that execute tasks are not in it: see the container's memory.",
            ),
            "bytes",
            {"{{component}}": f"max by (component) ({standard('process_resident_memory_bytes')})"},
        ),
        lines(
            Words(
                "Targets, by component and version",
                "What is scraped. Two versions at once: an upgrade is under way, or got stuck.",
            ),
            "short",
            {
                "{{component}} {{version}}": f"count by (component, version) ({own('build_info')})",
            },
        ),
    ]
