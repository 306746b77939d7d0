"""Links to the API server that are slow, dead in one direction or both, cut, or silently gone.

Each test has the real operator, API and workers, and a link of its own to the API server by which
it creates and deletes TaskRuns meanwhile. At the end the checker judges every run, and every
TaskRun has to show its true end.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support import control_plane
from support.fault_proxy import Way
from support.faults.cluster_scenarios import TASKRUNS, ClusterScene, statuses
from support.faults.links import LinkedStage, set_up
from support.faults.story import RUNS_PATH, Story
from support.waiting import wait_until

from singletrack.lifecycle import State

pytestmark = [pytest.mark.redis, pytest.mark.kubernetes, pytest.mark.timeout(300)]

NOTICED_SECONDS = 30.0
"""How long a link may be dead before `/readyz` says so, and how long a watch may be."""
OUTAGE_SECONDS = 25.0
ANSWERED_SECONDS = 25.0
"""How long the API may keep somebody waiting to tell him that it does not know."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkedStage]:
    programs = control_plane.programs()
    with set_up(tmp_path_factory.mktemp("links") / "stage", programs) as found:
        yield found


@pytest.fixture
def scene(stage: LinkedStage) -> Iterator[ClusterScene]:
    """A story of its own; the links are sound again when it is over."""
    try:
        yield stage.begin()
    finally:
        stage.mend()


def judged(stage: LinkedStage, scene: ClusterScene) -> None:
    """Every run has come to one end, which its TaskRun shows, without a write too many."""
    scene.story.until_ended(0)
    problems = [*scene.story.problems(), *stage.problems_besides(scene.story)]
    assert not problems, "\n".join(problems)
    written, allowed = stage.written(), allowed_writes(scene.story)
    assert written.arrived <= allowed + written.unanswered, (written, allowed)


def allowed_writes(story: Story) -> int:
    """Starting, Running and the end for each TaskRun, and one more where it had to wait."""
    seen = [{each.state for each in one.observations} for one in story.seen.values()]
    return 3 * len(seen) + sum(State.QUEUED in states for states in seen)


def running_and_waiting(
    scene: ClusterScene, to: int = 600, then: int = 1
) -> tuple[tuple[str, str], ...]:
    """A run that executes and one behind it, on one lock: UID and name of each.

    One that is to be cancelled may get the lock of the other, which is cancelled first: it has to
    be long enough.
    """
    first = scene.apply(to)
    scene.story.until_begun(first[0])
    second = scene.apply(then)
    scene.story.until(lambda: scene.story.state(second[0]), 20, "the second to be in line")
    return first, second


def delete(scene: ClusterScene, *names: str) -> None:
    for name in names:
        scene.plane.client.request("DELETE", f"{TASKRUNS}/{name}")


@contextmanager
def lasting(scene: ClusterScene, seconds: float) -> Iterator[None]:
    """The block, and after it so much time that it all has taken as long as this."""
    until = time.monotonic() + seconds
    yield
    scene.story.until(lambda: time.monotonic() > until, seconds + 30, "the outage to be over")


def phase(scene: ClusterScene, name: str) -> str:
    return statuses(scene.plane)[name]["status"]["phase"]


def test_a_link_that_is_slow_makes_statuses_late_and_nothing_wrong(
    stage: LinkedStage, scene: ClusterScene
) -> None:
    stage.operators_link.faults.delay_seconds = 2.0
    (running, name), (_, other) = running_and_waiting(scene)
    scene.story.until(lambda: phase(scene, name) == "Running", 60, "it to be shown as running")
    delete(scene, name)
    scene.story.until(lambda: scene.story.state(running) is State.CANCELLED, 60, "the cancel")
    assert stage.complaints() == ""
    scene.story.until(lambda: phase(scene, other) == "Succeeded", 60, "the other's late status")
    judged(stage, scene)


def test_an_outage_is_caught_up_with(stage: LinkedStage, scene: ClusterScene) -> None:
    (running, name), (waiting, other) = running_and_waiting(scene, then=600)
    ending, _ = scene.apply(20, lock={"key": "short", "policy": "Queue"})
    scene.story.until_begun(ending)

    with lasting(scene, OUTAGE_SECONDS):
        stage.operators_link.cut_off()
        delete(scene, name, other)
        created, _ = scene.apply(2, lock={"key": "new", "policy": "Queue"})
        scene.story.until(lambda: scene.story.state(ending) is State.SUCCEEDED, 20, "its end")
        scene.story.until(stage.complaints, NOTICED_SECONDS, "the operator to say so")
    stage.operators_link.heal()

    scene.story.until(lambda: scene.story.state(created) is State.SUCCEEDED, 60, "the new one")
    scene.story.until(lambda: scene.story.state(running) is State.CANCELLED, 60, "the cancel")
    scene.story.until(lambda: scene.story.state(waiting) is State.CANCELLED, 60, "its cancel")
    scene.story.until(lambda: stage.complaints() == "", NOTICED_SECONDS, "the operator to be ready")
    judged(stage, scene)


@pytest.mark.parametrize("way", list(Way))
def test_a_link_that_passes_one_way_only_is_as_good_as_cut(
    stage: LinkedStage, scene: ClusterScene, way: Way
) -> None:
    (running, name), _ = running_and_waiting(scene)

    with lasting(scene, OUTAGE_SECONDS):
        stage.operators_link.faults.dropped = {way}
        delete(scene, name)
        created, _ = scene.apply(2, lock={"key": "new", "policy": "Queue"})
        scene.story.until(stage.complaints, NOTICED_SECONDS, "the operator to say so")
    stage.operators_link.heal()

    scene.story.until(lambda: scene.story.state(created) is State.SUCCEEDED, 60, "the new one")
    scene.story.until(lambda: scene.story.state(running) is State.CANCELLED, 60, "the cancel")
    judged(stage, scene)


def test_a_watch_that_died_in_silence_is_noticed_by_the_operators_own_clock(
    stage: LinkedStage, scene: ClusterScene
) -> None:
    (running, name), _ = running_and_waiting(scene)
    scene.story.until(lambda: phase(scene, name) == "Running", 20, "it to be shown as running")

    stage.operators_link.blackhole()  # new connections get by
    delete(scene, name)
    created, _ = scene.apply(2, lock={"key": "new", "policy": "Queue"})

    scene.story.until(
        lambda: scene.story.state(created) is State.SUCCEEDED, NOTICED_SECONDS, "the new one"
    )
    scene.story.until(lambda: scene.story.state(running) is State.CANCELLED, 20, "the cancel")
    judged(stage, scene)


def test_a_watch_that_is_torn_down_again_and_again_misses_nothing(
    stage: LinkedStage, scene: ClusterScene
) -> None:
    for _ in range(5):
        (running, name), _ = running_and_waiting(scene)
        stage.operators_link.reset()
        delete(scene, name)
        stage.operators_link.reset()
        scene.story.until(
            lambda run=running: scene.story.state(run) is State.CANCELLED, 30, "the cancel"
        )
    judged(stage, scene)


def test_a_status_write_whose_answer_is_lost_is_written_again_and_changes_nothing(
    stage: LinkedStage, scene: ClusterScene
) -> None:
    link = stage.operators_link
    run_id, name = scene.apply(600)
    scene.story.until_begun(run_id)
    scene.story.until(lambda: phase(scene, name) == "Running", 20, "it to be shown as running")

    link.faults.delay_seconds = 3.0
    scene.story.cancel(run_id)
    scene.story.until(lambda: phase(scene, name) == "Cancelled", 60, "the write to have arrived")
    link.reset()  # its answer is still on its way
    link.heal()

    judged(stage, scene)


def test_deletions_that_no_watch_can_tell_of_any_more_are_found_at_once(
    stage: LinkedStage, scene: ClusterScene
) -> None:
    """An API server that has restarted cannot go on with an older watch: it has to begin anew."""
    (running, name), (waiting, other) = running_and_waiting(scene, then=600)
    stage.operators_link.cut_off()
    delete(scene, name, other)
    scene.plane.stop_apiserver()
    scene.plane.start_apiserver()
    stage.operators_link.heal()

    for run_id in (running, waiting):
        scene.story.until(
            lambda run=run_id: scene.story.state(run) is State.CANCELLED, 60, "the cancel"
        )
    judged(stage, scene)


def test_a_run_posted_over_a_slow_link_is_accepted_late_and_once(
    stage: LinkedStage, scene: ClusterScene
) -> None:
    stage.apis_link.faults.delay_seconds = 2.0
    scene.count(1)
    judged(stage, scene)


@pytest.mark.parametrize("way", list(Way))
def test_a_run_posted_while_the_link_passes_one_way_only_is_one_run_in_the_end(
    stage: LinkedStage, scene: ClusterScene, way: Way
) -> None:
    """Whoever asks is told in time that nobody knows, and asks again with the same key."""
    before = set(statuses(scene.plane))
    key, begun = uuid.uuid4().hex, time.monotonic()
    body = {
        "task": "count_to",
        "params": {"to": 1, "name": scene.story.name},
        "lock": {"policy": "Queue"},
    }
    stage.apis_link.faults.dropped = {way}
    status, _ = wait_until(lambda: stage.rest.try_once("POST", RUNS_PATH, body, key), 60)
    assert status == 503
    assert time.monotonic() - begun < ANSWERED_SECONDS
    stage.apis_link.heal()

    _, view = stage.rest.ask("POST", RUNS_PATH, body, key)
    scene.story.expect(view["id"], "")
    assert len(set(statuses(scene.plane)) - before) == 1
    judged(stage, scene)


def test_a_cancel_over_rest_is_honoured_while_the_api_server_is_out_of_reach(
    stage: LinkedStage, scene: ClusterScene
) -> None:
    run_id, _ = scene.apply(600)
    scene.story.until_begun(run_id)
    stage.apis_link.cut_off()
    scene.story.cancel(run_id)
    assert scene.story.until(lambda: scene.story.state(run_id) is State.CANCELLED, 20, "its end")
    judged(stage, scene)
