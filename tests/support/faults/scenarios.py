"""What happens around a fault: each scenario takes the platform through one part of the protocol.

A scenario arms the failpoint at the moment from which on it may fire, and names its runs; the story
watches them to their end.
"""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from collections.abc import Callable
from dataclasses import replace

from support.faults.parts import Part
from support.faults.story import RUNS_PATH, Story
from support.local_platform import agent_of, children_of, kill9
from support.redis_servers import RedisServer

from singletrack import operations as ops
from singletrack.adapters.celery_broker import CeleryBroker
from singletrack.admission import Defaults, RunRequest, resolve
from singletrack.lifecycle import State
from singletrack.run import Door

Arm = Callable[[], None]


class Scene:
    """What a scenario works with."""

    def __init__(self, story: Story, arm: Arm, server: RedisServer) -> None:
        self.story = story
        self.arm = arm
        self.server = server

    def worker_of(self, pid: int) -> Part:
        """The worker whose child a process is."""
        parts = self.story.parts.parts.values()
        return next(part for part in parts if part.runs and pid in children_of(part.pid))

    def obliterate(self, worker: Part) -> None:
        """Kill a worker and its agent so that neither sees the other die."""
        agent = agent_of(worker.pid)
        os.kill(agent, signal.SIGSTOP)
        kill9(worker.pid)
        kill9(agent)

    def count(self, to: int, lock: str = "x") -> str:
        return self.story.create("count_to", {"to": to, "name": self.story.name}, lock)


def work(scene: Scene) -> None:
    """Two runs by REST on one lock, and two of a producer on another.

    The first of the latter takes long enough for the second to be turned away on a busy machine.
    """
    story = scene.story
    scene.arm()
    for _ in range(2):
        story.create("count_to", {"to": 3, "name": story.name, "seconds": 0.05}, "x")
    for number in (17, 3):
        story.send("count_to", {"to": number, "name": story.name, "seconds": 0.05})


def busy(scene: Scene) -> None:
    """Every slot executes a run, and one more waits."""
    locks = ("a", "b", "c", "d")
    runs = [scene.count(15, lock) for lock in locks]
    for run_id in runs:
        scene.story.until_begun(run_id)
    scene.arm()
    scene.count(1, "a")


def leftover(scene: Scene) -> None:
    """A task returns and leaves a process behind."""
    scene.arm()
    for _ in range(2):
        scene.story.create("sleep_with_child", {"seconds": 0.2}, "x")


def cancelled(scene: Scene) -> None:
    """A run that does not listen is cancelled, with a process of its own that does not either."""
    run_id = scene.story.create("sleep_with_child", {"seconds": 60, "stubborn": True}, "x")
    scene.story.until_begun(run_id)
    scene.count(1)
    scene.arm()
    scene.story.cancel(run_id)


def cooperative(scene: Scene) -> None:
    """A run that listens is cancelled."""
    run_id = scene.count(600)
    scene.story.until_begun(run_id)
    scene.count(1)
    scene.arm()
    scene.story.cancel(run_id)


def bereaved(scene: Scene) -> None:
    """A child is killed in mid-run; the next one introduces itself."""
    run_id = scene.count(600)
    pid = scene.story.until_begun(run_id)
    scene.count(1)
    scene.arm()
    kill9(pid)


def silent(scene: Scene) -> None:
    """A whole worker is gone at once: nobody reports, nobody renews."""
    run_id = scene.count(600)
    worker = scene.worker_of(scene.story.until_begun(run_id))
    scene.count(1)
    scene.arm()
    scene.obliterate(worker)


def released(scene: Scene) -> None:
    """A lock that is held for a worker nobody hears of is released by a human."""
    story, run_id = scene.story, suspect(scene)
    scene.count(1)
    scene.arm()
    path = f"/v1/namespaces/default/locks/{story.name}/x:release"
    story.rest.ask("POST", path, {"reason": "its machine is off"})
    assert story.until(lambda: story.state(run_id) is State.LOST, 20, "its end")


def declared(scene: Scene) -> None:
    """A human says that the process of such a run is dead."""
    story, run_id = scene.story, suspect(scene)
    scene.count(1)
    scene.arm()
    story.rest.ask("POST", f"{RUNS_PATH}/{run_id}:confirm-dead", {"reason": "its machine is off"})
    assert story.until(lambda: story.state(run_id) is State.LOST, 20, "its end")


def suspect(scene: Scene) -> str:
    """A run that holds its lock, and whose worker is gone at once."""
    story = scene.story
    run_id = story.create("count_to", {"to": 600, "name": story.name}, "x", on_lost="Hold")
    scene.obliterate(scene.worker_of(story.until_begun(run_id)))

    def is_suspect() -> bool:
        last = story.seen[run_id].last
        return last is not None and last.suspect

    story.until(is_suspect, 30, "the run to be suspect")
    return run_id


def restarted(scene: Scene) -> None:
    """The ledger's server is killed and comes back with a run still going."""
    run_id = scene.count(30)
    scene.story.until_begun(run_id)
    scene.arm()
    scene.server.kill9()
    scene.server.start()
    scene.count(1)


def wiped(scene: Scene) -> None:
    """The server comes back with nothing at all, and a run is still going."""
    run_id = scene.count(100)
    scene.story.until_begun(run_id)
    scene.arm()
    scene.server.kill9()
    scene.story.observer = "the ledger made anew"
    shutil.rmtree(scene.server.folder / "appendonlydir")
    scene.server.start()


def unpublished(scene: Scene) -> None:
    """A run whose message never came: the outbox has it."""
    story = scene.story
    scene.arm()
    params = {"to": 1, "name": story.name}
    request = RunRequest(
        run_id=str(uuid.uuid4()),
        task="count_to",
        params=params,
        lock=f"{story.name}/x",
        door=Door.REST,
    )
    spec = resolve(request, None, Defaults())
    broker = CeleryBroker(broker_url=scene.server.url, ledger_url=scene.server.url)
    spec = replace(spec, envelope=broker.envelope(spec))
    story.ledger.execute(ops.Submit(spec=spec, push=False))
    story.expect(spec.run_id, "x")


def overdue(scene: Scene) -> None:
    """A run waits for its lock for longer than it was willing to."""
    story = scene.story
    story.until_begun(scene.count(25))
    scene.arm()
    params = {"to": 1, "name": story.name}
    story.create("count_to", params, "x", queueTimeoutSeconds=1)


def forgotten(scene: Scene) -> None:
    """A record's time to live is over; the API begins with a look, so it is started again."""
    story = scene.story
    params = {"to": 1, "name": story.name}
    run_id = story.create("count_to", params, "x", ttlSecondsAfterFinished=0)
    story.until(lambda: story.state(run_id) is State.SUCCEEDED, 30, "the run to end")
    scene.arm()
    story.parts.parts["api"].kill()
    story.until(lambda: story.client.zscore("{st}:finished", run_id) is None, 60, "the deletion")
    story.seen.clear()


def refused(scene: Scene) -> None:
    """The agent's answer to a child is lost, so the child hands its run back."""
    work(scene)


def leaving(scene: Scene) -> None:
    """A worker is told to stop while its run goes on."""
    run_id = scene.count(10)
    worker = scene.worker_of(scene.story.until_begun(run_id))
    scene.count(1)
    scene.arm()
    lives = worker.lives
    os.kill(worker.pid, signal.SIGTERM)
    scene.story.until(lambda: worker.lives > lives, 40, "the worker to stop")


def starting(scene: Scene) -> None:
    """A worker starts while there is work."""
    scene.arm()
    workers = [part for name, part in scene.story.parts.parts.items() if "worker" in name]
    workers[0].kill()
    work(scene)


SCENARIOS: dict[str, Callable[[Scene], None]] = {
    scenario.__name__: scenario
    for scenario in (
        work,
        busy,
        leftover,
        cancelled,
        cooperative,
        bereaved,
        silent,
        released,
        declared,
        restarted,
        wiped,
        unpublished,
        overdue,
        forgotten,
        refused,
        leaving,
        starting,
    )
}
