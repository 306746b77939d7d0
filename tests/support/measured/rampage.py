"""Many runs with every outcome, while processes of workers are killed at random.

    rampage = Rampage(stage, Random(seed))
    rampage.run(runs=2000, kills=50)

What came of the runs is not foreseen, it is read afterwards: from the ledger's records. No task
starts a process of its own: nobody is left to end it where a worker and its agent are killed at
once.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from support.faults.story import RUNS_PATH
from support.local_platform import children_of, kill9
from support.measured.doors import SOON, Doors
from support.measured.stage import MeasuredStage
from support.waiting import wait_until

from singletrack.run import Run

#: So many runs may be open before the next is asked for.
MOST_OPEN = 24

WORKERS = ("worker-0", "worker-1")

LONG = {"to": 6000}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, and where."""

    task: str
    door: str


class Rampage:
    """One platform, and everything that was asked of it."""

    def __init__(self, stage: MeasuredStage, random: Random) -> None:
        self.stage = stage
        self.doors = Doors(stage)
        self.random = random
        self.asked: dict[str, Asked] = {}
        self.killed: list[str] = []
        self._open: deque[str] = deque()
        self._number = itertools.count(1)

    def run(self, runs: int, kills: int) -> None:
        """Ask for so many runs, kill so often in between, and wait until all have ended."""
        self._have_each_outcome()
        moments = sorted(self.random.sample(range(len(self.asked) + 1, runs), kills))
        while len(self.asked) < runs:
            self._ask()
            while moments and len(self.asked) >= moments[0]:
                moments.pop(0)
                self._kill()
        self._wait_until_open(0)

    def records(self) -> dict[str, Run]:
        """What the ledger knows of these runs; a producer's may have been lost with its worker."""
        found = {run_id: self.doors.record(run_id) for run_id in self.asked}
        return {run_id: run for run_id, run in found.items() if run is not None}

    def tasks_claimed_again(self) -> set[str]:
        """Tasks of which a run was claimed more often than its code was started."""
        claims = {run_id: self._claims(run_id) for run_id in self.asked}
        return {
            run.spec.task for run_id, run in self.records().items() if claims[run_id] > run.attempt
        }

    def _claims(self, run_id: str) -> int:
        return int(self.doors.client.hget(f"{{st}}:run:{run_id}", "claims") or 0)

    # --- runs -------------------------------------------------------------------------------------

    def _have_each_outcome(self) -> None:
        """Before anything is killed, so that it does not hang on luck."""
        self._slowly()
        self._crowd()
        for task in ("fail", "vanish", "flaky"):
            self._rest(task, {})
        self._wait_until_open(0)

    def _ask(self) -> None:
        """One run, or a crowd of them on one lock."""
        self._wait_until_open(MOST_OPEN)
        ways: dict[Callable[[], None], int] = {
            self._well: 40,
            self._badly: 15,
            self._again: 15,
            self._counting: 25,
            self._slowly: 2,
            self._crowd: 3,
        }
        self.random.choices([*ways], [*ways.values()])[0]()

    def _well(self) -> None:
        door = self.random.choice(["rest", "kubectl", "producer"])
        params = {"x": 1, "y": 1}
        if door == "producer":
            self._note(self.doors.producer("add", params), "add", door)
        else:
            way = self.doors.rest if door == "rest" else self.doors.kubectl
            self._note(way("add", params, lock=self._lock("well", 6)), "add", door)

    def _badly(self) -> None:
        self._rest(self.random.choice(["fail", "not_json", "exit_early", "vanish"]), {})

    def _again(self) -> None:
        self._rest("flaky", {"failures": self.random.randint(1, 4)})

    def _counting(self) -> None:
        """Long enough to be killed in the middle; some are tried again then."""
        rule = {"limit": self.random.randint(0, 2), "backoff": {"initialSeconds": 0.1}}
        self._rest("count_to", {"to": self.random.randint(1, 6)}, retry=rule)

    def _slowly(self) -> None:
        self._rest("count_to", LONG, timeoutSeconds=1)

    def _crowd(self) -> None:
        """A run that holds a lock, and others that come while it does, under every policy."""
        key = f"crowd-{next(self._number)}"
        lock = {"key": key, "policy": "Queue"}
        holder = self._rest("count_to", LONG, lock=lock)
        self.doors.until_known(holder)
        with contextlib.suppress(AssertionError):  # it may have been killed before it began
            self.doors.until_begun(holder)
        for policy in ("Reject", "Skip", "Join", "QueueLatest", "QueueLatest"):
            self.doors.until_known(self._met(key, policy))
        late = self._met(key, "Queue", queueTimeoutSeconds=1)
        self.doors.until_ended(late)
        # Of the task of the holder, so that one outcome of one task comes with and without a start.
        waiting = self._met(key, "Queue", task="count_to")
        for run_id in (waiting, holder):
            self.doors.until_known(run_id)
            body = {"gracePeriodSeconds": 1}
            self.doors.ask("POST", f"{RUNS_PATH}/{run_id}:cancel", body)

    def _met(self, key: str, policy: str, task: str = "add", **spec: Any) -> str:
        lock = {"key": key, "policy": policy}
        params = {"x": 1, "y": 1} if task == "add" else LONG
        return self._note(self.doors.kubectl(task, params, lock=lock, **spec), task, "kubectl")

    def _rest(self, task: str, params: dict[str, Any], **fields: Any) -> str:
        fields = {"lock": self._lock(task, 4), **fields}
        return self._note(self.doors.rest(task, params, **fields), task, "rest")

    def _lock(self, of: str, many: int) -> dict[str, str]:
        return {"key": f"{of}-{self.random.randrange(many)}", "policy": "Queue"}

    def _note(self, run_id: str, task: str, door: str) -> str:
        self.asked[run_id] = Asked(task, door)
        self._open.append(run_id)
        return run_id

    # --- ends -------------------------------------------------------------------------------------

    def _wait_until_open(self, most: int) -> None:
        """Wait for the oldest until no more than so many are open."""
        while len(self._open) > most:
            run_id = self._open.popleft()
            if self.asked[run_id].door != "producer":
                self.doors.until_ended(run_id)

    # --- kills ------------------------------------------------------------------------------------

    def _kill(self) -> None:
        """Kill -9 some process of a worker, or all that could tell of it."""
        self.stage.parts.until_ready()
        worker = self.random.choice(WORKERS)
        agent, main = self.stage.agent(worker), self.stage.pid(worker)
        victims: dict[str, Callable[[], None]] = {
            "child": lambda: kill9(self.random.choice(self._children(main, agent))),
            "agent": lambda: kill9(agent),
            "main": self.stage.parts.parts[worker].kill,
            "all": lambda: self.stage.obliterate(worker),
        }
        name = self.random.choice([*victims])
        victims[name]()
        self.killed.append(f"{name} of {worker} after {len(self.asked)} runs")

    def _children(self, main: int, agent: int) -> list[int]:
        """Those of the pool, as soon as there are any."""
        return wait_until(lambda: sorted({*children_of(main)} - {agent}), SOON, "a child")
