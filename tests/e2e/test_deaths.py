"""Whatever dies in mid-run in a cluster: every run ends once, its TaskRun says what happened."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from e2e.places import Place, standing
from e2e.releases import PLACE
from support.cluster.running import Cluster
from support.taskrun_story import Story
from support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(900)]

AWAY = 60.0  # seconds
SHORT = [{"task": "count_to", "params": {"to": 5, "name": "forced"}}] * 2


@pytest.fixture(scope="module")
def place(
    cluster: Cluster, images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with standing(cluster, tmp_path_factory.mktemp("values")) as place:
        yield place


@pytest.fixture(scope="module")
def whole_story(place: Place) -> Iterator[Story]:
    story = Story(place)
    yield story
    story.ledger.close()


@pytest.fixture
def story(place: Place, whole_story: Story) -> Story:
    """One for all tests, as there is one task log: each judges what has happened until then."""
    place.wait_until_ready()
    return whole_story


def test_a_worker_that_is_deleted_by_force_takes_its_run_with_it(
    place: Place, story: Story
) -> None:
    names = story.create({"task": "count_to", "params": {"to": 300, "name": "forced"}}, *SHORT)
    story.running(names[:1])
    place.kubectl("delete", "pod", place.pod("worker-default"), "--grace-period=0", "--force")
    story.wait_for_ends(names)
    story.judge()
    assert [story.phase(name) for name in names] == ["Lost", "Succeeded", "Succeeded"]
    assert _told(story, names, "Lost") == {"WorkerLost"}


def test_a_task_that_takes_more_memory_than_its_pod_may_is_told_so(
    place: Place, story: Story
) -> None:
    names = story.create({"task": "greedy"}, {"task": "count_to", "params": {"to": 5}})
    story.wait_for_ends(names)
    story.judge()
    assert [story.phase(name) for name in names] == ["Lost", "Succeeded"]
    assert _told(story, names, "Lost") == {"OOMKilled"}


def test_a_container_whose_shim_dies_takes_its_run_with_it(place: Place, story: Story) -> None:
    names = story.create()
    story.running(names)
    os.kill(place.shim_of_worker(), signal.SIGKILL)
    story.wait_for_ends(names)
    story.judge()
    assert sorted(map(story.phase, names)) == ["Lost", "Succeeded", "Succeeded"]
    assert _told(story, names, "Lost") == {"WorkerLost"}


def end_kubelet(place: Place) -> None:
    _component(place, "kubelet", signal.SIGKILL)


def end_ledger(place: Place) -> None:
    place.kubectl("delete", "pod", place.pod("valkey"), "--wait=false")


def end_operator(place: Place) -> None:
    place.kubectl("delete", "pod", place.pod("operator"), "--wait=false")


def end_worker_in_order(place: Place) -> None:
    place.kubectl("delete", "pod", place.pod("worker-default"), "--wait=false")


def cut_off_api_server(place: Place) -> None:
    frozen, back_at = _component(place, "kube-apiserver", signal.SIGSTOP), time.monotonic() + AWAY
    try:
        wait_until(lambda: time.monotonic() >= back_at, AWAY + 10, "the end of its absence")
    finally:
        os.kill(frozen, signal.SIGCONT)


@pytest.mark.parametrize(
    "act", [end_worker_in_order, end_kubelet, end_ledger, end_operator, cut_off_api_server]
)
def test_what_is_replaced_or_comes_back_costs_no_run(
    place: Place, story: Story, act: Callable[[Place], None]
) -> None:
    names = story.create()
    story.running(names)
    act(place)
    story.wait_for_ends(names)
    story.judge()
    assert {story.phase(name) for name in names} == {"Succeeded"}


def test_a_worker_that_is_frozen_loses_its_run_unless_its_lock_is_held(
    place: Place, story: Story
) -> None:
    held = {"key": "count/held", "policy": "Queue", "onLost": "Hold"}
    names = story.create(
        {"task": "count_to", "params": {"to": 100, "name": "held"}, "lock": held},
        {"task": "count_to", "params": {"to": 100, "name": "released"}},
    )
    for name in names:
        story.running([name])
    with place.worker_frozen():
        wait_until(lambda: story.phase(names[1]) == "Lost", 60, "the lease to end")
        assert story.phase(names[0]) == "Running"
    story.wait_for_ends(names)
    story.judge()
    assert {story.phase(name) for name in names} == {"Lost"}


def test_each_part_asks_the_cluster_for_all_it_may_and_for_nothing_else(
    place: Place, story: Story
) -> None:
    lock = {"key": "rights", "policy": "Queue", "onLost": "Hold"}
    wish = {"task": "count_to", "params": {"to": 100, "name": "rights"}, "lock": lock}
    names = story.create({"task": "add", "params": {"x": 1, "y": 2}}, {"task": "fail"}, wish)
    # Its TaskRun is gone when the story is judged, so it must be a task that writes no log.
    place.release.create(task="not_json", ttlSecondsAfterFinished=0)
    story.running(names[-1:])
    with place.worker_frozen():
        path, token = f"/v1/namespaces/{PLACE}/runs", place.token()
        body = {"task": "sleep_with_child", "lock": {"key": "rest"}}
        _, made = place.release.ask(path, token, body, key="again")
        _, same = place.release.ask(path, token, body, key="again")
        assert same["id"] == made["id"]
        place.release.ask(f"{path}/{made['id']}:cancel", token, {})
        place.release.ask(f"{path}/{made['id']}", token, method="DELETE")
        for part in ("api", "operator"):
            place.wait_until_all_rights_are_used(part)
    story.wait_for_ends(names)
    for part in ("api", "operator"):
        assert place.asked(part) == place.granted(part)


def _told(story: Story, names: list[str], phase: str) -> set[str]:
    """Why those that ended so did, as their TaskRuns and their events say, in the same words."""
    shown = story.taskruns()
    said = {
        (each["metadata"]["uid"], condition["reason"])
        for each in map(shown.__getitem__, names)
        if each["status"]["phase"] == phase
        for condition in each["status"]["conditions"]
        if condition["type"] == "Succeeded"
    }

    def told() -> bool:
        words = ("get", "events.events.k8s.io", "--output=json")
        events = json.loads(story.platform.kubectl(*words))["items"]
        return said <= {(event["regarding"].get("uid"), event["reason"]) for event in events}

    wait_until(told, 30, "an event of each end")
    return {reason for _, reason in said}


def _component(place: Place, program: str, number: signal.Signals) -> int:
    pid = place.release.cluster.component(program)
    assert pid is not None
    os.kill(pid, number)
    return pid
