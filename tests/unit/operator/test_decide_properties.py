"""Whatever happens to a TaskRun and its record, in whatever order: the guarantees hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema_rs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from singletrack.admission import Defaults
from singletrack.catalogue import CatalogueEntry
from singletrack.custom_resource import manifest
from singletrack.custom_resource.definition import custom_resource_definition
from singletrack.lifecycle import NOT_STARTED, TERMINAL, TRANSITIONS, State
from singletrack.run import Failure, Run
from singletrack_operator import actions
from singletrack_operator.decide import Rules, Seen, decide

RULES = Rules(defaults=Defaults())
ENTRY = CatalogueEntry(name="t", parameters={"type": "object"})
SCHEMA = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
NEW = [state for state in State if state in TRANSITIONS[None]]


class World(RuleBasedStateMachine):
    """A TaskRun, its record, users and accidents; the operator looks whenever it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 10, 1, 12, tzinfo=UTC)
        self.taskrun = manifest.read(
            {
                "metadata": {
                    "uid": "u-1",
                    "name": "a",
                    "namespace": "ns",
                    "creationTimestamp": self.now.isoformat(),
                },
                "spec": {"task": "t"},
                "status": SCHEMA["properties"]["status"]["default"],
            }
        )
        self.record: Run | None = None
        self.blessed = True
        self.registered = True
        self.missing_seconds = 0.0
        self.snapshots: list[Run | None] = [None]
        self.starts_shown = 0
        self.final: dict[str, Any] | None = None

    def look(self) -> tuple[actions.Action, ...]:
        seen = Seen(
            taskrun=self.taskrun,
            record=self.record,
            blessed=self.blessed,
            entry=ENTRY if self.registered else None,
            now=self.now,
            missing_seconds=self.missing_seconds,
        )
        return decide(seen, RULES)

    def do(self, action: actions.Action) -> None:
        match action:
            case actions.WriteStatus(status=status):
                assert self.blessed, "nothing is shown while the ledger recovers"
                assert self.final is None, "a final status is never written again"
                jsonschema_rs.validate(SCHEMA["properties"]["status"], dict(status))
                self.taskrun = replace(self.taskrun, status=dict(status))
                if action.terminal:
                    self.final = dict(status)
            case actions.Submit(spec=spec):
                assert self.blessed, "nothing is submitted while the ledger recovers"
                assert self.taskrun.attempt == 0, "a started run is never submitted again"
                assert self.record is None
                self.record = Run(spec=spec, state=State.READY, revision=1, submitted_at=self.now)
                self.snapshots.append(self.record)
            case actions.CancelRun(cancellation=wish):
                assert self.record is not None
                asked = self.record.cancellation
                assert wish.is_harder_than(asked), "nothing is asked twice"
                # In one step: no server that has lost something has half of it.
                wanted = {"cancellation": wish.after(asked)}
                if self.record.state in (State.QUEUED, State.READY):
                    self.end(State.CANCELLED, **wanted)
                else:
                    self.change(**wanted)
            case actions.Prioritise(priority=priority):
                assert self.record is not None
                assert self.record.state in NOT_STARTED, "what has started is in no line"
                self.change(spec=replace(self.record.spec, priority=priority))

    def change(self, **fields: Any) -> None:
        assert self.record is not None
        self.record = replace(self.record, revision=self.record.revision + 1, **fields)
        self.snapshots.append(self.record)

    def end(self, state: State, **fields: Any) -> None:
        failed = state is not State.SUCCEEDED
        self.change(
            state=state,
            finished_at=self.now,
            failure=Failure(reason="Because", message="it is so") if failed else None,
            **fields,
        )

    @rule()
    def operator_looks(self) -> None:
        for _ in range(3):
            for action in self.look():
                self.do(action)
        again = {type(action) for action in self.look()}
        done = {actions.WriteStatus, actions.Submit, actions.CancelRun, actions.Prioritise}
        assert not again & done, again
        assert self.record is None or not self.may_start_again(self.record)

    def may_start_again(self, record: Run) -> bool:
        """Whether a worker could take a run that has shown a start, and start it once more."""
        waiting = record.state in (State.QUEUED, State.READY)
        return self.blessed and waiting and record.attempt < self.taskrun.attempt

    @precondition(lambda self: self.record is not None and not self.record.terminal)
    @rule(data=st.data())
    def record_moves(self, data: st.DataObject) -> None:
        assert self.record is not None
        following = data.draw(st.sampled_from(sorted(TRANSITIONS[self.record.state])))
        if following is State.READY and self.record.cancellation is not None:
            following = State.CANCELLED  # a claim that is handed back ends a cancelled run
        if following in TERMINAL:
            self.end(following)
        elif following is State.RUNNING:
            self.change(state=following, attempt=self.record.attempt + 1, started_at=self.now)
        else:
            self.change(state=following)

    @precondition(lambda self: self.record is not None and self.record.state is State.READY)
    @rule()
    def worker_starts_it(self) -> None:
        assert self.record is not None
        self.change(state=State.CLAIMED)
        self.change(state=State.RUNNING, attempt=self.record.attempt + 1, started_at=self.now)

    @precondition(lambda self: self.final is None and "cancel" not in self.taskrun.spec)
    @rule()
    def user_cancels(self) -> None:
        self.respec(cancel={})

    @precondition(lambda self: self.final is None and "cancel" in self.taskrun.spec)
    @rule(change=st.sampled_from([{"mode": "Force"}, {"gracePeriodSeconds": 3}]))
    def user_makes_it_harder(self, change: dict[str, Any]) -> None:
        self.respec(cancel=self.taskrun.spec["cancel"] | change)

    @precondition(lambda self: self.final is None)
    @rule(ttl=st.integers(0, 10))
    def user_changes_the_time_to_live(self, ttl: int) -> None:
        self.respec(ttlSecondsAfterFinished=ttl)

    @precondition(lambda self: "startTime" not in self.taskrun.status and self.final is None)
    @rule(priority=st.integers(-2, 2))
    def user_changes_the_priority(self, priority: int) -> None:
        self.respec(priority=priority)

    def respec(self, **fields: Any) -> None:
        self.taskrun = replace(
            self.taskrun,
            spec={**self.taskrun.spec, **fields},
            generation=self.taskrun.generation + 1,
        )

    @rule(registered=st.booleans())
    def catalogue_changes(self, registered: bool) -> None:
        self.registered = registered

    @rule(data=st.data())
    def record_is_rolled_back_in_a_failover(self, data: st.DataObject) -> None:
        self.record = data.draw(st.sampled_from(self.snapshots))
        self.blessed = data.draw(st.booleans())

    @rule()
    def ledger_is_blessed(self) -> None:
        self.blessed = True

    @rule(seconds=st.integers(1, 400))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.missing_seconds = 0.0 if self.record else self.missing_seconds + seconds

    @invariant()
    def the_end_is_the_end(self) -> None:
        if self.final is not None:
            assert self.taskrun.status == self.final
            speaks_of = {c["observedGeneration"] for c in self.final["conditions"]}
            assert speaks_of == {self.taskrun.generation}, "kubectl wait would hang"

    @invariant()
    def shown_starts_never_become_fewer(self) -> None:
        assert self.taskrun.attempt >= self.starts_shown
        self.starts_shown = self.taskrun.attempt


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=200, stateful_step_count=40)
