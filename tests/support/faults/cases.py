"""The pairs: every failpoint, in the scenario that leads there, with every fault it can have."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from singletrack.failpoints.points import POINTS

#: scenario -> the failpoints it leads to, `process>point/detail[@nth]`.
PLACES: dict[str, tuple[str, ...]] = {
    "work": (
        "worker>request.accepted",
        "worker>request.settled",
        "child>gate.received",
        "child>gate.started",
        "child>gate.dropped",
        "child>executor.received",
        "child>executor.confirmed",
        "child>executor.returned",
        "child>executor.swept",
        "child>executor.finished",
        "child>executor.left",
        "child>agent.ask/Bind",
        "child>agent.asked/Bind",
        "child>agent.asked/Bind@2",
        "child>agent.ask/Started",
        "child>agent.asked/Started",
        "child>agent.ask/Left",
        "child>agent.asked/Left",
        "api>ledger.send/submit",
        "api>ledger.sent/submit",
        "child>ledger.send/start",
        "child>ledger.sent/start",
        "child>ledger.send/report",
        "child>ledger.sent/report",
        "child>ledger.send/finish",
        "child>ledger.sent/finish",
        "api>ledger.sent/list_due",
        "api>ledger.sent/list_leases",
    ),
    "busy": (
        "agent>agent.renew",
        "agent>agent.renewed",
        "agent>ledger.send/renew",
        "agent>ledger.sent/renew",
    ),
    "leftover": ("child>agent.ask/Leaving", "child>agent.asked/Leaving"),
    "cancelled": (
        "api>ledger.send/cancel",
        "api>ledger.sent/cancel",
        "agent>agent.kill",
        "agent>agent.killed",
        "agent>agent.report",
        "agent>agent.reported",
    ),
    "cooperative": (
        "child>executor.returned",
        "child>agent.ask/Leaving",
        "child>agent.asked/Leaving",
        "child>ledger.send/finish",
        "child>ledger.sent/finish",
    ),
    "bereaved": (
        "agent>agent.kill",
        "agent>agent.report",
        "agent>ledger.send/child_gone",
        "agent>ledger.sent/child_gone",
        "worker>agent.ask/ChildExit",
        "worker>agent.asked/ChildExit",
        "child>agent.ask/Hello",
        "child>agent.asked/Hello",
    ),
    "silent": ("api>upkeep.over", "api>ledger.send/expire", "api>ledger.sent/expire"),
    "released": ("api>ledger.send/release_lock", "api>ledger.sent/release_lock"),
    "declared": ("api>ledger.send/confirm_dead", "api>ledger.sent/confirm_dead"),
    "restarted": ("api>upkeep.bless", "api>ledger.send/bless", "api>ledger.sent/bless"),
    "wiped": ("agent>ledger.sent/reassert",),
    "unpublished": (
        "api>upkeep.listed",
        "api>ledger.send/published",
        "api>ledger.sent/published",
    ),
    "overdue": ("api>ledger.send/expire_wait", "api>ledger.sent/expire_wait"),
    "forgotten": ("api>ledger.send/forget", "api>ledger.sent/forget"),
    "refused": ("child>ledger.send/not_started", "child>ledger.sent/not_started"),
    "leaving": (
        "worker>agent.ask/Stopping",
        "worker>agent.asked/Stopping",
        "agent>ledger.send/agent_gone",
        "agent>ledger.sent/agent_gone",
    ),
    "starting": (
        "worker>ledger.send/register_tasks",
        "worker>ledger.sent/register_tasks",
        "worker>agent.ask/Hello",
        "worker>agent.asked/Hello",
    ),
}

#: Where a process that dies as well would leave nobody who knows of the run.
ONLY_DROPPED = {"wiped"}

#: Processes whose client sends a call again at once when its reply has not come, and gives up then.
SENDING_AGAIN = ("worker>ledger.", "child>ledger.", "agent>ledger.")

#: What has to happen besides, for a place to be reached at all.
BESIDES = {
    "refused": "child>agent.asked/Bind:drop-reply@2",
    "taken_back": "api>ledger.sent/submit:drop-reply",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One failpoint with one fault, in one scenario."""

    scenario: str
    place: str
    action: str

    @property
    def entries(self) -> str:
        """As a process is armed with it."""
        place, _, nth = self.place.partition("@")
        entry = f"{place}:{self.action}" + (f"@{nth}" if nth else "")
        again = f"{entry}@2" if self.drops_twice else None
        return ", ".join(filter(None, [entry, again, BESIDES.get(self.scenario)]))

    @property
    def drops_twice(self) -> bool:
        """Whether a single dropped reply would not be noticed."""
        return self.action == "drop-reply" and self.place.startswith(SENDING_AGAIN)

    def __str__(self) -> str:
        return f"{self.scenario}: {self.place} {self.action}"


def point_of(place: str) -> str:
    return place.partition("@")[0].rpartition(">")[2].partition("/")[0]


def actions_at(scenario: str, place: str) -> tuple[str, ...]:
    """A reply can be dropped only where one comes."""
    if scenario in ONLY_DROPPED:
        return ("drop-reply",)
    return ("kill9", "stop", *(["drop-reply"] if POINTS[point_of(place)].answers else []))


def every_case(places: dict[str, tuple[str, ...]] = PLACES) -> list[Case]:
    return [
        Case(scenario=scenario, place=place, action=action)
        for scenario, found in places.items()
        for place in found
        for action in actions_at(scenario, place)
    ]


def chosen(cases: Sequence[Case], seed: int, count: int) -> list[Case]:
    """A seeded sample, with every fault in it; the same seed gives the same cases in that order."""
    dice = random.Random(seed)
    cases = list(cases)
    dice.shuffle(cases)
    return cases[:count]
