"""Everything that can happen to runs, once or a few times each, with counts known beforehand.

    told = Workload(stage).play()
    told.stories      # what every run's counters have to say
    told.numbers      # what else has happened, and what stands at the end

At the end a run executes, one waits for a paused lock, one for a paused queue, and one holds its
lock for a worker that is not heard of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from support.faults.story import RUNS_PATH
from support.local_platform import agent_of, kill9
from support.measured.doors import SOON, Doors, outcome_of
from support.measured.stage import MeasuredStage
from support.measured.tally import Series, Story, series
from support.waiting import wait_until

from singletrack.lifecycle import State

LOCKS_PATH = "/v1/namespaces/default/locks"
LONG = {"to": 6000}
AT_ONCE = timedelta(0)
UNKNOWN_RUN = "00000000-0000-4000-8000-000000000000"


@dataclass(slots=True)
class Told:
    """What has happened."""

    stories: dict[str, Story] = field(default_factory=dict)
    numbers: Counter[Series] = field(default_factory=Counter)
    at_least: Counter[Series] = field(default_factory=Counter)
    """What the platform itself may do more often than it was made to."""


class Workload:
    """One telling on one platform."""

    def __init__(self, stage: MeasuredStage) -> None:
        self.stage = stage
        self.doors = Doors(stage)
        self.told = Told()

    def play(self) -> Told:
        """Make all of it happen, one thing after the other."""
        self.have_everything_once()
        self.leave_things_open()
        return self.told

    def have_everything_once(self) -> None:
        """All that comes to an end."""
        for step in (
            self.lose_whole_workers,
            self.lose_children,
            self.run_to_the_end,
            self.fail,
            self.meet_a_held_lock,
            self.come_twice,
            self.ask_for_nonsense,
            self.lose_an_agent,
            self.be_without_api_server,
        ):
            step()

    # --- steps ------------------------------------------------------------------------------------

    def lose_whole_workers(self) -> None:
        """Three leases end without a word; two locks are suspect then, one of them is released."""
        lost = self._begin("silent", "lost", reason="WorkerLost")
        released = self._begin("released", "lost", reason="WorkerUnreachable", onLost="Hold")
        suspect = self._begin("suspect", onLost="Hold")
        runs = (lost, released, suspect)
        for worker in {self.stage.worker_of(self.doors.until_begun(run_id)) for run_id in runs}:
            self.stage.obliterate(worker)
        wait_until(lambda: self._are_suspect(released, suspect), SOON, "two suspect locks")
        self._post(f"{LOCKS_PATH}/released:release", {"reason": "its machine is off"})
        self._until_as_told(lost, released)
        self.stage.until_ready()
        self._count(leases_expired_total=3, locks_released_total=1, locks_suspect=1)

    def lose_children(self) -> None:
        """Processes that execute runs die; one of the runs is tried again, and one vanished."""
        lost = self._begin("orphan", "lost", reason="WorkerLost")
        kill9(self.doors.until_begun(lost))
        rule = {"limit": 1, "backoff": {"initialSeconds": 0.1}}
        story = {"outcome": "succeeded", "starts": 2, "causes": ("WorkerLost",)}
        again = self._rest(
            "count_to",
            {"to": 10},
            Story(task="count_to", door="rest", **story),
            lock=_lock("again"),
            retry=rule,
        )
        kill9(self.doors.until_begun(again))
        broken = Story(task="vanish", door="rest", outcome="lost", reason="WorkerLost")
        vanished = self._rest("vanish", {}, broken, lock=_lock("vanish"))
        self._until_as_told(lost, again, vanished)
        self._at_least("worker_child_exits_total", 2, kind="signal")
        self._at_least("worker_child_exits_total", 1, kind="error")

    def run_to_the_end(self) -> None:
        """Runs of each door that succeed, some of them in the third attempt."""
        params = {"x": 1, "y": 1}
        runs = [self._well("add", "rest", params, f"r{i}") for i in range(12)]
        runs += [self._well("add", "kubectl", params, f"k{i}") for i in range(3)]
        runs += [self._well("add", "producer", params) for _ in range(4)]
        causes = ("Error", "Error")
        flaky = Story(task="flaky", door="rest", outcome="succeeded", starts=3, causes=causes)
        runs += [self._rest("flaky", {"failures": 2}, flaky, lock=_lock(f"f{i}")) for i in range(2)]
        self._until_as_told(*runs)
        self._at_least("worker_child_exits_total", 1, kind="recycled")

    def fail(self) -> None:
        """Runs that raise, that return nonsense, that leave, that take too long twice."""
        ends = [
            ("fail", {}, "failed", "TaskError"),
            ("fail", {}, "failed", "TaskError"),
            ("not_json", {}, "failed", "EncodeError"),
            ("exit_early", {}, "failed", "SystemExit"),
        ]
        runs = []
        for number, (task, params, outcome, reason) in enumerate(ends):
            story = Story(task=task, door="rest", outcome=outcome, reason=reason)
            runs.append(self._rest(task, params, story, lock=_lock(f"e{number}")))
        rule = {"limit": 1, "backoff": {"initialSeconds": 0.1}}
        end = {"outcome": "timed_out", "reason": "Timeout", "starts": 2, "causes": ("Timeout",)}
        slow = Story(task="count_to", door="rest", **end)
        told = {"lock": _lock("slow"), "retry": rule, "timeoutSeconds": 1}
        self._until_as_told(*runs, self._rest("count_to", LONG, slow, **told))

    def meet_a_held_lock(self) -> None:
        """A run holds a lock until it is cancelled, and others come, under every policy."""
        holder = self._begin("busy", "cancelled", reason="Cancelled")
        self.doors.until_begun(holder)
        ends = {"Reject": "rejected", "Skip": "skipped", "Join": "joined"}
        met = [self._met(policy, outcome) for policy, outcome in ends.items()]
        self._until_as_told(*met)
        self._refused_over_rest("busy")
        superseded = self._met("QueueLatest", "superseded")
        self.doors.until_known(superseded)
        waiting = self._met("QueueLatest", "succeeded", starts=1)
        self._until_as_told(superseded)
        withdrawn = self._withdrawn()
        self._until_as_told(self._met("Queue", "expired", queueTimeoutSeconds=1))
        for run_id in (withdrawn, holder):
            self._post(f"{RUNS_PATH}/{run_id}:cancel", {"gracePeriodSeconds": 1})
        self._until_as_told(withdrawn, holder, waiting)

    def come_twice(self) -> None:
        """The message of a run that has ended comes twice more."""
        run_id = self._well("add", "producer", {"x": 2, "y": 2})
        self._until_as_told(run_id)
        for _ in range(2):
            self.doors.producer("add", {"x": 2, "y": 2}, run_id)
        wait_until(lambda: self.doors.client.llen("celery") == 0, SOON, "both to be taken")
        self._count(claims_refused_total=2)

    def ask_for_nonsense(self) -> None:
        """Requests that the API has to refuse."""
        run = f"{RUNS_PATH}/{UNKNOWN_RUN}"
        for _ in range(3):
            self._refused("GET", run, HTTPStatus.NOT_FOUND)
        for _ in range(2):
            self._refused("GET", "/nowhere", HTTPStatus.NOT_FOUND)
        refused = {"method": "GET", "code": "4xx"}
        route = "/v1/namespaces/{ns}/runs/{run_id}"
        name = "http_request_duration_seconds_count"
        self.told.numbers[series(name, route=route, **refused)] += 3
        self.told.numbers[series(name, route="unmatched", **refused)] += 2

    def lose_an_agent(self) -> None:
        """A worker that has nothing to do loses its agent."""
        main = self.stage.pid("worker-0")
        agent = agent_of(main)
        kill9(agent)
        wait_until(lambda: agent_of(main) != agent, SOON, "another agent")
        self._at_least("worker_agent_restarts_total", 1)

    def be_without_api_server(self) -> None:
        """The API server dies, and is away until a request of the API has failed for that."""
        self.stage.plane.apiserver.stop(AT_ONCE)
        wish = {"task": "add", "params": {"x": 1, "y": 1}}
        self._refused("POST", RUNS_PATH, HTTPStatus.SERVICE_UNAVAILABLE, wish)
        self.stage.plane.start_apiserver()
        run_id = self._well("add", "kubectl", {"x": 3, "y": 3}, "after")
        self._until_as_told(run_id)

    def leave_things_open(self) -> None:
        """One run executes, one waits for a paused lock, one for a paused queue."""
        self.doors.until_begun(self._begin("open"))
        self._post(f"{LOCKS_PATH}/closed:pause", {"reason": "let it be"})
        open_story = Story(task="add", door="rest", starts=0)
        self._rest("add", {"x": 1, "y": 1}, open_story, lock=_lock("closed"))
        self._post("/v1/queues/celery:pause", {"reason": "let it be"})
        self._rest("add", {"x": 1, "y": 1}, open_story, lock=_lock("parked"))
        for kind in ("lock", "queue"):
            self.told.numbers[series("paused", kind=kind)] += 1
        for state, count in {"RUNNING": 2, "QUEUED": 1, "READY": 1}.items():
            self.told.numbers[series("runs", queue="celery", state=state)] += count
        ended = sum(bool(story.outcome) for story in self.told.stories.values())
        self._count(runs_kept=ended, worker_slots=4, worker_slots_busy=1, ledger_up=1)

    # --- words ------------------------------------------------------------------------------------

    def _begin(self, lock: str, outcome: str = "", reason: str = "", **fields: Any) -> str:
        """A run over REST that goes on until something happens to it."""
        on_lost = {"onLost": fields.pop("onLost")} if "onLost" in fields else {}
        story = Story(task="count_to", door="rest", outcome=outcome, reason=reason)
        return self._rest("count_to", LONG, story, lock=_lock(lock) | on_lost, **fields)

    def _rest(self, task: str, params: dict[str, Any], story: Story, **fields: Any) -> str:
        run_id = self.doors.rest(task, params, **fields)
        self.told.stories[run_id] = story
        return run_id

    def _well(self, task: str, door: str, params: dict[str, Any], key: str = "") -> str:
        ways: dict[str, Callable[..., str]] = {
            "rest": self.doors.rest,
            "kubectl": self.doors.kubectl,
            "producer": self.doors.producer,
        }
        run_id = ways[door](task, params, **({"lock": _lock(key)} if key else {}))
        self.told.stories[run_id] = Story(task=task, door=door, outcome="succeeded")
        return run_id

    def _met(self, policy: str, outcome: str, starts: int = 0, **spec: Any) -> str:
        lock = {"key": "busy", "policy": policy}
        run_id = self.doors.kubectl("add", {"x": 1, "y": 1}, lock=lock, **spec)
        self.told.stories[run_id] = Story(
            task="add", door="kubectl", outcome=outcome, starts=starts
        )
        return run_id

    def _withdrawn(self) -> str:
        """A waiting run of the holder's task: one outcome of it comes with and without a start."""
        story = Story(task="count_to", door="rest", outcome="cancelled", starts=0)
        return self._rest("count_to", LONG, story, lock=_lock("busy"))

    def _refused_over_rest(self, lock: str) -> None:
        """A run that its policy refuses over REST leaves no record."""
        wish = {
            "task": "add",
            "params": {"x": 1, "y": 1},
            "lock": {"key": lock, "policy": "Reject"},
        }
        self._refused("POST", RUNS_PATH, HTTPStatus.CONFLICT, wish)

    def _refused(self, method: str, path: str, status: HTTPStatus, body: Any = None) -> None:
        answer = self.stage.rest.try_once(method, path, body, "")
        assert answer, (method, path)
        assert answer[0] == status, answer

    def _post(self, path: str, body: dict[str, Any]) -> None:
        status, view = self.doors.ask("POST", path, body)
        assert status < HTTPStatus.BAD_REQUEST, (path, view)

    def _are_suspect(self, *run_ids: str) -> bool:
        return all(run and run.suspect for run in map(self.doors.record, run_ids))

    def _until_as_told(self, *run_ids: str) -> None:
        """Wait for ends that are the ones the stories tell."""
        for run_id in run_ids:
            run, story = self.doors.until_ended(run_id), self.told.stories[run_id]
            ended = (outcome_of(run), run.attempt)
            assert ended == (story.outcome, story.starts), (story, run)
            if run.state in {State.FAILED, State.TIMED_OUT, State.LOST}:
                assert run.failure is not None
                assert run.failure.reason == story.reason, run

    def _count(self, **numbers: int) -> None:
        self.told.numbers.update({series(name): by for name, by in numbers.items()})

    def _at_least(self, name: str, by: int, **labels: str) -> None:
        self.told.at_least[series(name, **labels)] += by


def _lock(key: str) -> dict[str, str]:
    return {"key": key, "policy": "Queue"}
