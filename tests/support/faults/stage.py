"""A platform of real processes on which cases are played, one after the other.

`Stage` has no cluster: the API does the upkeep. `cluster.ClusterStage` has one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support.faults.cases import Case
from support.faults.parts import Parts, Rest
from support.faults.scenarios import SCENARIOS, Scene
from support.faults.story import Story
from support.redis_servers import VALKEY, RedisServer, running
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.errors import LedgerError
from singletrack.settings import LedgerSettings

WORKERS = 2
_READY_WORKER = r" ready\."
_TASKS = "singletrack_worker.demo_tasks,support.faults.telling"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one case."""

    case: Case
    seconds: float
    states: str
    silence: float
    problems: tuple[str, ...]
    told: tuple[str, ...] = ()
    """What the workers held when it had failed."""

    def __str__(self) -> str:
        mark = "ok  " if not self.problems else "FAIL"
        told = f"{mark} {self.seconds:5.1f} s  {self.case!s:64} {self.states}"
        return "\n".join([told, *(f"       {problem}" for problem in self.problems), *self.told])


class Stage:
    """The parts of one platform, on a Valkey that syncs before it answers."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        self.server = server
        self.parts = Parts(folder, {"REDIS_URL": server.url})
        api = self.parts.add(
            "api",
            "singletrack_api",
            ready="api_listening",
            **{"SINGLETRACK_API_PORT": "0", **self.settings_of_the_api()},
        )
        for number in range(WORKERS):
            name = f"worker-{number}"
            self.parts.add(
                name,
                "singletrack_worker",
                *self.words_of_a_worker(number),
                *("-n", f"{name}@test"),
                ready=_READY_WORKER,
                **{"SINGLETRACK_TASKS": _TASKS, **self.settings_of_a_worker(number)},
            )
        self.ledger = RedisLedger(LedgerSettings(redis_url=server.url))
        self.rest = Rest(api, self.parts.tend)

    def settings_of_the_api(self) -> dict[str, str]:
        return {"SINGLETRACK_INTAKE": "ledger"}

    def words_of_a_worker(self, _number: int) -> Sequence[str]:
        """Celery's options."""
        return ("-c", "2")

    def settings_of_a_worker(self, _number: int) -> dict[str, str]:
        return {}

    def scene(self, story: Story, case: Case) -> Scene:
        return Scene(story, lambda: self.parts.arm(case.entries), self.server)

    def scenarios(self) -> Mapping[str, Callable[[Scene], None]]:
        """What can be played here."""
        return SCENARIOS

    def problems_besides(self, _story: Story) -> list[str]:
        """What is wrong outside of the ledger."""
        return []

    def play(self, case: Case) -> Row:
        """Play one case and judge it."""
        self.parts.arm("")
        self.until_ready()
        begun = time.monotonic()
        story = Story(self.parts, self.rest, self.ledger, self.server.client())
        scene = self.scene(story, case)
        problems: list[str] = []
        expected = len(case.entries.split(","))
        try:
            self.scenarios()[case.scenario](scene)
            story.until_ended(expected)
            self.parts.until_ready()
            problems += [*story.problems(), *self.problems_besides(story)]
        except AssertionError as error:
            problems.append(f"the story got stuck: {error}")
        if len(self.parts.fired()) < expected:
            problems.append(f"not every failpoint was reached: {case.entries}")
        problems += self._strangers()
        told = self._ask_workers() if problems else ()
        self.server.close_clients()
        return Row(
            case=case,
            seconds=time.monotonic() - begun,
            states=story.states(),
            silence=story.silence,
            problems=tuple(problems),
            told=told,
        )

    def until_ready(self) -> None:
        """Wait for every part, and for the ledger to let runs start."""
        self.parts.until_ready()
        wait_until(self._blessed, 30, "the ledger to be blessed")

    def _blessed(self) -> bool:
        with suppress(LedgerError):
            return self.ledger.execute(ops.ReadServer()).blessed
        return False

    def _ask_workers(self) -> tuple[str, ...]:
        """What each worker's main holds, for whoever has to find out what went wrong."""
        parts = self.parts.parts.items()
        return tuple(part.tell() for name, part in parts if "worker" in name and part.ready)

    def _strangers(self) -> list[str]:
        try:
            wait_until(lambda: not self.parts.strangers(), 5)
        except AssertionError:
            return [f"processes without a parent: {self.parts.strangers()}"]
        return []

    def stop(self) -> list[int]:
        self.ledger.close()
        return self.parts.stop()


Build = Callable[[RedisServer, Path], Stage]


@contextmanager
def set_up(folder: Path, build: Build = Stage) -> Iterator[Stage]:
    """A stage; nothing of it is left at the end, or that is an error."""
    (folder / "server").mkdir(parents=True)
    with running(VALKEY, folder / "server") as server:
        stage = build(server, folder)
        try:
            yield stage
        finally:
            left = stage.stop()
        assert not left, f"processes were left: {left}"


def play_all(stage: Stage, cases: Sequence[Case], tell: Callable[[str], None]) -> list[Row]:
    """Play them in this order, telling of each."""
    rows = []
    for number, case in enumerate(cases, start=1):
        rows.append(stage.play(case))
        tell(f"{number:3}/{len(cases)} {rows[-1]}")
    return rows
