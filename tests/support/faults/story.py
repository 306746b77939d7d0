"""One fault and the runs around it: what was asked for, what was seen, what is wrong with it."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import redis
from support.faults.parts import Parts, Rest
from support.local_platform import BOUND_SECONDS
from support.messages import node_style
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.errors import LedgerError
from singletrack.lifecycle import State
from singletrack.run import Run
from singletrack.testing.evidence import FinalRecord, History, LockState, Observation, Verdict
from singletrack.testing.history import check
from singletrack.testing.task_log import Event, read

LEASED = {State.CLAIMED, State.RUNNING}
SAMPLE_SECONDS = 0.03
REPUBLISH_SECONDS = 15.0
RUNS_PATH = "/v1/namespaces/default/runs"


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class Seen:
    """What was seen of one run, sample by sample."""

    run_id: str
    lock: str
    accepted: bool
    observations: list[Observation] = field(default_factory=list)
    last: Run | None = None
    last_change: float = 0.0
    """When its state or claim was first seen as it is now."""
    ended_ns: int | None = None
    silence: float = 0.0
    """The longest time it was leased without a sign of life while everything was in place."""


def is_over(seen: Seen, quiet: float) -> bool:
    """Whether nothing more can come of a run, everything having been in place for so many seconds.

    A message that nobody has recorded may still be on its way for as long as a lock may stay taken.
    """
    if seen.last:
        return seen.last.terminal
    return not seen.accepted and min(quiet, boottime() - seen.last_change) > BOUND_SECONDS


class Story:
    """The runs of one case, and the watch over them."""

    def __init__(self, parts: Parts, rest: Rest, ledger: RedisLedger, client: redis.Redis) -> None:
        self.parts = parts
        self.rest = rest
        self.ledger = ledger
        self.client = client
        self.name = uuid.uuid4().hex[:8]
        self.seen: dict[str, Seen] = {}
        self.observer = "ledger"
        """Another one after the ledger has lost everything: revisions count anew then."""
        if parts.task_log.exists():
            os.truncate(parts.task_log, 0)

    # --- doors ------------------------------------------------------------------------------------

    def create(
        self, task: str, params: dict[str, Any], lock: str = "x", on_lost: str = "", **fields: Any
    ) -> str:
        """Ask for a run over REST until somebody answers; the key makes it one run."""
        wish = {"key": f"{self.name}/{lock}", "policy": "Queue"}
        if on_lost:
            wish["onLost"] = on_lost
        body = {"task": task, "params": params, "lock": wish, **fields}
        key = uuid.uuid4().hex
        status, view = self.rest.ask("POST", RUNS_PATH, body, key)
        assert status in {200, 201}, (status, view)
        return self.expect(view["id"], lock)

    def send(self, task: str, kwargs: dict[str, Any]) -> str:
        """Send a message as a foreign producer does; nobody is told that it was accepted."""
        run_id = str(uuid.uuid4())
        self.client.lpush("celery", node_style(task, kwargs, run_id=run_id))
        return self.expect(run_id, "", accepted=False)

    def expect(self, run_id: str, lock: str, *, accepted: bool = True) -> str:
        key = f"default/{self.name}/{lock}" if lock else f"default/count/{self.name}"
        self.seen[run_id] = Seen(run_id, key, accepted, last_change=boottime())
        return run_id

    def cancel(self, run_id: str, grace: float = 0.5) -> None:
        self.rest.ask("POST", f"{RUNS_PATH}/{run_id}:cancel", {"gracePeriodSeconds": grace})

    # --- watching ---------------------------------------------------------------------------------

    def look(self) -> None:
        """Tend the parts and take one sample of every run."""
        self.parts.tend()
        alive_at = {event.run: event.boottime_ns / 1e9 for event in self.events()}
        for seen in self.seen.values():
            with contextlib.suppress(LedgerError):
                run = self.ledger.execute(ops.GetRun(run_id=seen.run_id))
                self._note(seen, run, alive_at.get(seen.run_id, 0.0))

    def _note(self, seen: Seen, run: Run | None, alive_at: float) -> None:
        now = boottime()
        before = seen.last
        if run is None and before is not None and before.terminal:
            return  # its time to live is over
        seen.last = run
        if run is None:
            return
        seen.accepted = True
        if before is None or (before.state, before.nonce) != (run.state, run.nonce):
            seen.last_change = now
        seen.observations.append(
            Observation(
                observer=self.observer,
                run=run.run_id,
                state=run.state,
                order=now,
                revision=run.revision,
            )
        )
        if run.terminal and seen.ended_ns is None:
            seen.ended_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if run.state in LEASED and not run.suspect:
            quiet = time.monotonic() - self.parts.disturbed_until
            seen.silence = max(seen.silence, min(now - max(seen.last_change, alive_at), quiet))

    def events(self) -> list[Event]:
        log = self.parts.task_log
        return read(log) if log.exists() else []

    def until(self, predicate: Any, seconds: float, what: str) -> Any:
        """Wait as a test does, but look at everything meanwhile."""

        def now_true() -> Any:
            self.look()
            return predicate()

        return wait_until(now_true, seconds, what)

    def until_begun(self, run_id: str) -> int:
        def pid() -> int | None:
            return next((event.pid for event in self.events() if event.run == run_id), None)

        return int(self.until(pid, 40, f"run {run_id} to begin"))

    def state(self, run_id: str) -> State | None:
        last = self.seen[run_id].last
        return last.state if last else None

    def until_ended(self, failpoints: int) -> None:
        """Wait until so many have fired and every run has ended.

        A run that nobody has accepted may stay unknown.
        """

        def ended() -> bool:
            quiet = time.monotonic() - self.parts.disturbed_until
            fired = len(self.parts.fired()) >= failpoints
            return fired and all(is_over(seen, quiet) for seen in self.seen.values())

        with contextlib.suppress(AssertionError):  # the judge says what has not ended
            self.until(ended, 2 * REPUBLISH_SECONDS + 2 * BOUND_SECONDS, "every run to end")

    # --- judging ----------------------------------------------------------------------------------

    def verdict(self) -> Verdict:
        records = [self._record(seen) for seen in self.seen.values()]
        keys = {record.lock for record in records}
        locks = [
            LockState(key=key, owner=self.ledger.execute(ops.GetLock(lock=key)).owner)
            for key in keys
        ]
        observations = [each for seen in self.seen.values() for each in seen.observations]
        events = [event for event in self.events() if event.run in self.seen]
        history = History(events=events, records=records, locks=locks, observations=observations)
        return check(history)

    def _record(self, seen: Seen) -> FinalRecord:
        run = seen.last
        return FinalRecord(
            run=seen.run_id,
            lock=run.spec.lock if run else seen.lock,
            state=run.state if run else None,
            token=(run.token or None) if run else None,
            attempts=run.attempt if run else None,
            accepted=seen.accepted,
            finished_boottime_ns=seen.ended_ns,
        )

    def problems(self) -> list[str]:
        """Everything that is wrong, as sentences."""
        found = [str(violation) for violation in self.verdict().violations]
        for seen in self.seen.values():
            if seen.silence > BOUND_SECONDS:
                found.append(
                    f"stuck: {seen.run_id} was leased for {seen.silence:.1f} s without life"
                )
            if seen.last and seen.last.state is State.FAILED:
                found.append(f"failed: {seen.run_id}: {seen.last.failure}")
        found += [f"left in {name}: {left}" for name, left in self._indexes().items() if left]
        return found

    def _indexes(self) -> dict[str, Any]:
        """The ledger's lists of what lives; nothing may be in them when all runs have ended."""
        client = self.client
        return {
            "leased": client.smembers("{st}:leased"),
            "due": client.zrange("{st}:due", 0, -1),
            "waiting": client.smembers("{st}:waiting"),
            "deadlines": client.zrange("{st}:deadlines", 0, -1),
        }

    def states(self) -> str:
        counts = Counter(str(seen.last.state) if seen.last else "-" for seen in self.seen.values())
        return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))

    @property
    def silence(self) -> float:
        return max((seen.silence for seen in self.seen.values()), default=0.0)

    @property
    def lost(self) -> int:
        return sum(
            seen.last is not None and seen.last.state is State.LOST for seen in self.seen.values()
        )
